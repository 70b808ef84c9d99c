// The terminal of the page: everything the viewer asks of xterm.js. `src/xterm.rs` binds it, and nothing else does.
// Bundled to term.bundle.js by scripts/bundle-js.sh.
import { Terminal } from "@xterm/xterm";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
export { hasFilm, part } from "./film.js";

// Behind the Latin ones those that have wide characters of twice the width, by system.
const FONT = 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", ' +
  '"Noto Sans Mono CJK SC", "Noto Sans Mono CJK JP", "Sarasa Mono SC", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "MS Gothic", "Malgun Gothic", ' +
  '"WenQuanYi Zen Hei Mono", "Noto Sans CJK SC", "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", monospace';
// Bytes of a clipboard write that a program may ask for.
const MAX_CLIPBOARD = 64 * 1024;
// As many lines as the largest scrollback a sharer is likely to keep.
const SCROLLBACK = 10000;
// Characters given to xterm.js at once, a millisecond of its work: it lets the page draw between two pieces only.
const PIECE = 4 * 1024;
// Characters that it may have before it. What waits behind them can still be left out.
const AHEAD = 16 * PIECE;
const SMALLEST = 4;
const LARGEST = 20;
// Letters of this size are read well: a terminal that is made for this page has them.
const READ = 14;
const ROW = 1.1;

const THEMES = {
  dark: {
    background: "#0e1116", foreground: "#d7dce3", cursor: "#e6b455", cursorAccent: "#0e1116",
    selectionBackground: "#33507a99",
    black: "#1b2028", red: "#f0717a", green: "#8cc570", yellow: "#e6b455", blue: "#6fb1f5", magenta: "#c79bf2", cyan: "#5cc8c8", white: "#c6ccd5",
    brightBlack: "#707a88", brightRed: "#ff8f96", brightGreen: "#a9dc8f", brightYellow: "#f5cd79", brightBlue: "#93c8ff", brightMagenta: "#dab8ff", brightCyan: "#80dede", brightWhite: "#f4f6f9",
  },
  light: {
    background: "#fdfdfc", foreground: "#23272e", cursor: "#b4690e", cursorAccent: "#fdfdfc",
    selectionBackground: "#9cc2f099",
    black: "#23272e", red: "#b3261e", green: "#2f7a28", yellow: "#8a5b00", blue: "#1f5fbf", magenta: "#8338b0", cyan: "#0b7478", white: "#6b7280",
    brightBlack: "#5b6472", brightRed: "#cf3a31", brightGreen: "#3b8f32", brightYellow: "#a06a00", brightBlue: "#2e74dd", brightMagenta: "#9a4cc9", brightCyan: "#12888c", brightWhite: "#3a404a",
  },
};

const ARROWS = { up: "A", down: "B", right: "C", left: "D" };

/** http, https and mailto; anything else is no link. */
function safe(uri) {
  try {
    const url = new URL(uri);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch { return null; }
}

// What draws WebGL where there is no graphics card.
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/**
 * Whether a graphics card draws. Without one each frame of WebGL costs the page 150 ms; the DOM renderer's 10 ms.
 */
let card;
function hasCard() {
  if (card === undefined) {
    const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
    const name = gl?.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? gl?.RENDERER;
    card = Boolean(gl) && !SOFTWARE.test(gl.getParameter(name));
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
  return card;
}

class Screen {
  constructor(host, on, dark) {
    this.host = host;
    this.on = on;
    this.zoom = 1;
    this.decoder = new TextDecoder();
    // What is to be written, in order; and how many characters xterm.js has of it.
    this.waiting = [];
    this.ahead = 0;
    this.fitted = "";
    this.typing = false;
    this.place = null;
    // Where commands were typed, by number; what is said of each; and which is looked at.
    this.marks = new Map();
    this.told = new Map();
    this.target = 0;
    const linkHandler = {
      allowNonHttpProtocols: true,
      activate: (_event, uri) => { const url = safe(uri); if (url) on("link", url, ""); },
      hover: (_event, uri) => on("hover", safe(uri) ?? "", ""),
      leave: () => on("hover", "", ""),
    };
    const term = this.term = new Terminal({
      allowProposedApi: true,
      cursorBlink: false,
      cursorInactiveStyle: "outline",
      disableStdin: true,
      fontFamily: FONT,
      fontSize: READ,
      lineHeight: ROW,
      linkHandler,
      scrollback: SCROLLBACK,
      theme: THEMES[dark ? "dark" : "light"],
      minimumContrastRatio: dark ? 1 : 3,
    });
    term.loadAddon(new WebLinksAddon((_event, uri) => {
      const url = safe(uri);
      if (url) window.open(url, "_blank", "noopener,noreferrer");
    }, { hover: (_event, uri) => on("hover", safe(uri) ?? "", ""), leave: () => on("hover", "", "") }));
    this.search = new SearchAddon();
    term.loadAddon(this.search);
    this.search.onDidChangeResults((r) => on("found", String(r.resultIndex + 1), String(r.resultCount)));
    term.open(host);
    this.measureByCanvas();
    try {
      if (hasCard()) {
        const webgl = new WebglAddon();
        webgl.onContextLoss(() => { webgl.dispose(); this.fitted = ""; this.fit(); });
        term.loadAddon(webgl);
      }
    } catch { /* The DOM renderer draws the same. */ }
    this.scrollByFrame();
    // The tests read the buffer here.
    host.__term = term;

    // Only what a person did counts as input. Answers to the program's queries pass by without the mark: the sharer
    // answers them, once, and no viewer ever does.
    let user = false;
    term._core.coreService.onUserInput(() => { user = true; });
    const typed = (data) => {
      const person = user;
      user = false;
      if (!person || !this.typing) return;
      if (this.target) this.look(0);
      on("data", data, "");
    };
    term.onData(typed);
    // Mouse reports in the old encoding; one byte a character.
    term.onBinary((data) => { if (this.typing) on("binary", data, ""); });
    term.onTitleChange((title) => on("title", title, ""));
    // A snapshot says which commands were typed where; what programs say has no numbers.
    term.parser.registerOscHandler(133, (data) => {
      const number = this.rebuilding && /^C;n=(\d+)$/.exec(data)?.[1];
      if (number) this.putMark(Number(number), 0);
      return true;
    });
    term.parser.registerEscHandler({ final: "c" }, () => { this.dropMarks(0); return false; });
    // xterm.js 6.0.0 throws on ED 1 in the last cell of a buffer without scrollback, and is dead from then on. The
    // whole screen is erased there either way.
    for (const prefix of ["", "?"]) {
      term.parser.registerCsiHandler({ prefix, final: "J" }, (params) => {
        const buffer = term.buffer.active;
        if (!prefix && !params[0]) this.dropMarks(buffer.baseY + buffer.cursorY + (buffer.cursorX ? 1 : 0));
        if (!prefix && params[0] === 2) this.dropMarks(buffer.baseY);
        const lastCell = buffer.cursorX + 1 >= term.cols && buffer.baseY + buffer.cursorY + 1 >= buffer.length;
        if (params[0] !== 1 || !lastCell) return false;
        term._core._inputHandler.eraseInDisplay({ params: [2], length: 1 }, prefix === "?");
        return true;
      });
    }
    // A program may ask to write the clipboard, never to read it.
    term.parser.registerOscHandler(52, (data) => { this.clipboard(data); return true; });
    term.attachCustomKeyEventHandler((event) => this.key(event));
    host.addEventListener("click", (event) => {
      const number = event.target.dataset?.command;
      if (number) this.look(Number(number));
    });
    host.addEventListener("paste", (event) => {
      event.preventDefault();
      event.stopImmediatePropagation();
      this.pasted(event.clipboardData?.getData("text/plain") ?? "");
    }, true);
    for (const name of ["wheel", "pointerdown", "keydown"]) host.addEventListener(name, () => { this.place = null; }, true);
    for (const name of ["dragover", "drop"]) host.addEventListener(name, (event) => event.preventDefault(), true);
    this.resized = new ResizeObserver(() => { if (!host.hidden) this.fit(); });
    this.resized.observe(host.parentElement);
    term.onCursorMove(() => this.follow());
  }

  key(event) {
    // The way out for people without a mouse: everything else is the program's.
    if (event.key === "ArrowUp" && event.ctrlKey && event.shiftKey) {
      if (event.type === "keydown") this.on("leave", "", "");
      return false;
    }
    const mod = event.ctrlKey || event.metaKey;
    if (mod && (event.key === "c" || event.key === "C") && this.term.hasSelection() && (event.shiftKey || event.metaKey || !this.typing)) return false;
    if (mod && (event.key === "v" || event.key === "V") && (event.shiftKey || event.metaKey)) return false;
    return this.typing;
  }

  pasted(text) {
    if (this.typing && text) this.on("paste", text, this.term.modes.bracketedPasteMode ? "bracketed" : "");
  }

  clipboard(data) {
    const at = data.indexOf(";");
    const payload = at < 0 ? "" : data.slice(at + 1);
    if (!payload || payload === "?" || payload.length > (MAX_CLIPBOARD * 4) / 3 + 4) return;
    try {
      const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
      if (bytes.length <= MAX_CLIPBOARD) this.on("clipboard", new TextDecoder().decode(bytes), "");
    } catch { /* Not base64: nothing to copy. */ }
  }

  /** xterm.js 6.0.0 has the page laid out to learn the width of each new character, a millisecond each; a canvas knows it. */
  measureByCanvas() {
    const widths = this.term._core._renderService._renderer.value?._widthCache;
    const canvas = document.createElement("canvas").getContext("2d");
    if (!widths || !canvas) return;
    canvas.fontKerning = "none";
    widths._measure = (text, variant) => {
      const weight = variant & 1 ? widths._weightBold : widths._weight;
      canvas.font = `${variant & 2 ? "italic" : "normal"} ${weight} ${widths._fontSize}px ${widths._font}`;
      return Math.round(canvas.measureText(text.repeat(32)).width) / 32;
    };
  }

  /** xterm.js 6.0.0 lays its scrollbar out anew, with two timers, for every line that scrolls; here, once a frame. */
  scrollByFrame() {
    const { _viewport: viewport, _renderService: drawing } = this.term._core;
    const sync = viewport._sync.bind(viewport);
    let due = false;
    const now = () => { due = false; sync(); };
    viewport._sync = (line) => {
      if (line !== undefined) sync(line);
      else if (!due) { due = true; drawing.addRefreshCallback(() => { if (due) now(); }); }
    };
    // Whoever scrolls begins where the buffer is, not where the last frame was.
    for (const name of ["scrollLines", "scrollToLine"]) {
      const scroll = viewport[name].bind(viewport);
      viewport[name] = (...to) => { if (due) now(); scroll(...to); };
    }
  }

  /** Writes text behind everything that is still to be parsed; then does something. */
  put(text, then) {
    this.waiting.push({ text, then });
    this.feed();
  }

  /** Gives xterm.js as much as it may have before it. */
  feed() {
    while (this.waiting.length && this.ahead < AHEAD) {
      const [first] = this.waiting;
      let size = first.whole ? first.text.length : PIECE;
      // Both halves of a character in one piece.
      if ((first.text.charCodeAt(size - 1) & 0xfc00) === 0xd800) size += 1;
      const text = first.text.slice(0, size);
      first.text = first.text.slice(size);
      const last = !first.text;
      if (last) this.waiting.shift();
      this.ahead += text.length;
      this.term.write(text, () => {
        this.ahead -= text.length;
        if (last) first.then?.();
        this.feed();
      });
    }
  }

  /** Leaves out what xterm.js has not been given: it counts as parsed. */
  skip() {
    const ticket = this.waiting.findLast((one) => one.ticket)?.ticket;
    this.waiting = [];
    if (ticket) this.put("", () => this.parsed(ticket));
  }

  parsed(ticket) { this.on("parsed", String(ticket), ""); }

  write(ticket, bytes) {
    this.waiting.push({ text: this.decoder.decode(bytes, { stream: true }), ticket, then: () => this.parsed(ticket) });
    this.feed();
  }

  resize(cols, rows) {
    this.put("", () => { this.term.resize(Math.max(cols, 2), Math.max(rows, 1)); this.fit(); });
  }

  rebuild(ticket, cols, rows, bytes) {
    const term = this.term;
    this.decoder = new TextDecoder();
    const text = this.decoder.decode(bytes, { stream: true });
    // It takes the place of everything before it.
    this.skip();
    this.put("", () => {
      this.place = this.looked() ?? this.place;
      if (term.cols !== cols || term.rows !== rows) term.resize(Math.max(cols, 2), Math.max(rows, 1));
      this.rebuilding = true;
    });
    const then = () => {
      this.rebuilding = false;
      this.fit();
      this.goBack();
      this.parsed(ticket);
    };
    // In one piece: nobody sees it half written.
    this.waiting.push({ text, ticket, then, whole: true });
    this.feed();
  }

  /** A command begins behind what was written before: it was typed on the line above. */
  mark(number) {
    this.put("", () => {
      const { active } = this.term.buffer;
      const cursor = active.baseY + active.cursorY;
      let y = active.cursorX === 0 ? Math.max(cursor - 1, 0) : cursor;
      while (y > 0 && active.getLine(y)?.isWrapped) y -= 1;
      this.putMark(number, y - cursor);
    });
  }

  /** `rows`: from the cursor. There are no places on the alternate screen. */
  putMark(number, rows) {
    const marker = this.term.registerMarker(rows);
    if (!marker) return;
    for (const [other, mark] of this.marks) if (other === number || mark.marker.line === marker.line) mark.marker.dispose();
    const mark = { marker };
    this.marks.set(number, mark);
    marker.onDispose(() => {
      if (this.marks.get(number) === mark) this.marks.delete(number);
      mark.sign?.dispose();
    });
    this.draw(number);
  }

  /** What stood on the screen from this line on is gone. */
  dropMarks(from) {
    if (this.term.buffer.active.type !== "normal") return;
    for (const { marker } of this.marks.values()) if (marker.line >= from) marker.dispose();
  }

  /** All that is known of commands, a line each: number, kind, words. */
  setCommands(text) {
    this.told = new Map(text.split("\n").filter(Boolean).map((line) => {
      const [number, kind, ...words] = line.split(" ");
      return [Number(number), { kind, words: words.join(" ") }];
    }));
    for (const number of this.marks.keys()) this.draw(number);
  }

  /** Draws the sign of a command, if there is something to say of it. */
  draw(number) {
    const mark = this.marks.get(number);
    const told = this.told.get(number);
    if (!mark) return;
    if (!told) {
      mark.sign?.dispose();
      mark.sign = undefined;
      return;
    }
    const dress = (element) => {
      const now = this.told.get(number);
      element.className = `xterm-decoration command ${now?.kind}${this.target === number ? " looked" : ""}`;
      element.dataset.command = number;
      element.title = now?.words ?? "";
    };
    if (!mark.sign) {
      mark.sign = this.term.registerDecoration({ marker: mark.marker });
      mark.sign?.onRender(dress);
    } else if (mark.sign.element) {
      dress(mark.sign.element);
    }
  }

  /** The commands whose places are known, from the top. */
  places() {
    return [...this.marks].filter(([number]) => this.told.has(number))
      .map(([number, { marker }]) => ({ number, line: marker.line })).sort((a, b) => a.line - b.line);
  }

  /** To the command before or behind the one that is looked at, or, where that is out of sight, next to what is in sight. */
  step(back) {
    const { viewportY, baseY } = this.term.buffer.active;
    const places = this.places();
    const inSight = ({ line }) => line >= viewportY && line < viewportY + this.term.rows;
    const at = places.findIndex((place) => place.number === this.target && inSight(place));
    const to = at >= 0 ? places[at + (back ? -1 : 1)]
      : back ? places.findLast(({ line }) => line < viewportY + this.term.rows)
      : viewportY < baseY && places.find(({ line }) => line > viewportY);
    if (to) this.look(to.number);
    else if (!back) { this.look(0); this.term.scrollToBottom(); }
  }

  /** Looks at a command; 0: at none. */
  look(number) {
    const before = this.target;
    const mark = this.marks.get(number);
    this.target = mark ? number : 0;
    this.draw(before);
    this.draw(number);
    let text = "";
    if (mark) {
      const { line } = mark.marker;
      this.place = null;
      this.term.scrollToLine(Math.max(0, line - 1));
      text = this.line(line);
      for (let y = line + 1; text.length < 200 && this.term.buffer.active.getLine(y)?.isWrapped; y += 1) text += this.line(y);
    }
    const first = this.places()[0]?.number === number;
    this.on("command", `${this.target}${first ? " first" : ""}`, text);
  }

  line(y) { return this.term.buffer.active.getLine(y)?.translateToString(true) ?? ""; }

  /** Rows that tell a place in the text from others. */
  rowsAt(y) { return [0, 1, 2].map((n) => this.line(y + n)).join("\n"); }

  /** Where the person looks and what is selected, as text and as rows from the end; null while they just follow. */
  looked() {
    const { term } = this;
    const buffer = term.buffer.active;
    const up = buffer.baseY - buffer.viewportY;
    const range = term.getSelectionPosition();
    if (up <= 0 && !range) return null;
    return {
      view: up > 0 && { fromEnd: buffer.length - buffer.viewportY, rows: this.rowsAt(buffer.viewportY) },
      selected: range && { fromEnd: buffer.length - range.start.y, rows: this.line(range.start.y), x: range.start.x,
        cells: (range.end.y - range.start.y) * term.cols + range.end.x - range.start.x, text: term.getSelection() },
    };
  }

  /**
   * Looks again where the person looked. A snapshot's first part has no scrollback: until the second is there, or the
   * person moves, the place is kept.
   */
  goBack() {
    const { term, place } = this;
    const { length } = term.buffer.active;
    // Lines may have come since: the same text is where it was, or further up.
    const seek = ({ fromEnd, rows }, at) => {
      let y = length - fromEnd;
      while (y >= 0 && at(y) !== rows) y -= 1;
      return y;
    };
    if (!place) return;
    const { view, selected } = place;
    if (view && length >= view.fromEnd) {
      const y = seek(view, (y) => this.rowsAt(y));
      term.scrollToLine(y < 0 ? length - view.fromEnd : y);
      place.view = null;
    }
    if (selected && length >= selected.fromEnd) {
      const y = seek(selected, (y) => this.line(y));
      if (y >= 0) term.select(selected.x, y, selected.cells);
      if (term.getSelection() !== selected.text) term.clearSelection();
      place.selected = null;
    }
    if (!place.view && !place.selected) this.place = null;
  }

  wipe() {
    this.decoder = new TextDecoder();
    this.skip();
    this.dropMarks(0);
    this.term.reset();
    this.term.write("\x1bc");
  }

  setTyping(typing) {
    this.typing = typing;
    this.term.options.disableStdin = !typing;
    this.term.options.cursorBlink = typing;
  }

  setTheme(dark) {
    this.term.options.theme = THEMES[dark ? "dark" : "light"];
    this.term.options.minimumContrastRatio = dark ? 1 : 3;
  }

  setScreenReader(on) { this.term.options.screenReaderMode = on; }

  /** In percent of the size that fits. */
  setZoom(zoom) { this.zoom = zoom / 100; this.fit(); }

  /** The largest font at which the sharer's columns and rows fit, times the person's zoom. */
  fit() {
    const { term, host } = this;
    const stage = host.parentElement;
    // What fits cannot be scrolled out of its frame, not even by a focused field.
    stage.classList.toggle("zoomed", this.zoom > 1);
    let width = stage.clientWidth;
    let height = stage.clientHeight;
    for (const style of [getComputedStyle(stage), getComputedStyle(host)]) {
      width -= parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
      height -= parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
    }
    if (width < 20 || height < 20 || host.hidden) return;
    this.tellRoom(width, height);
    // Sizes of rows grow in steps: asked again, the search would go there and back, each time with another font.
    const asked = [width, height, term.cols, term.rows, this.zoom, devicePixelRatio].join();
    if (asked === this.fitted) return;
    const cell = () => term._core._renderService?.dimensions?.css?.cell;
    let size = term.options.fontSize;
    for (let round = 0; round < 4; round += 1) {
      const now = cell();
      if (!now?.width || !now.height) return;
      const ratio = Math.min(width / (now.width * term.cols), height / (now.height * term.rows));
      const target = Math.min(size * ratio, LARGEST) * this.zoom;
      const next = Math.max(SMALLEST, Math.floor(target * 4) / 4);
      if (next === size || (round > 1 && next > size)) break;
      size = next;
      term.options.fontSize = size;
      if (this.zoom !== 1) break;
    }
    this.fitted = asked;
    const now = cell();
    host.style.width = `${Math.ceil(now.width * term.cols)}px`;
    host.style.height = `${Math.ceil(now.height * term.rows)}px`;
    // xterm.js 6.0.0 goes on scrolling by the height that rows had before.
    term._core._viewport?._sync();
  }

  /**
   * Tells how large a terminal would fit here. By the font alone, whatever is shown now: a size that depended on the one
   * before would go there and back. Who holds the page in a hand looks at the terminal as it is.
   */
  tellRoom(width, height) {
    if (matchMedia("(pointer: coarse)").matches) return;
    const canvas = document.createElement("canvas").getContext("2d");
    if (!canvas) return;
    canvas.font = `${READ}px ${FONT}`;
    const letter = canvas.measureText("W");
    const row = Math.ceil(letter.fontBoundingBoxAscent + letter.fontBoundingBoxDescent) * ROW;
    const cols = Math.floor(width / letter.width);
    const rows = Math.floor(height / row);
    if (!(cols > 0 && rows > 0) || this.room === `${cols},${rows}`) return;
    this.room = `${cols},${rows}`;
    this.on("fits", String(cols), String(rows));
  }

  /** Keeps the cursor in sight where the terminal is larger than its frame. */
  follow() {
    if (!this.typing) return;
    const stage = this.host.parentElement;
    if (stage.scrollWidth <= stage.clientWidth && stage.scrollHeight <= stage.clientHeight) return;
    const now = this.term._core._renderService?.dimensions?.css?.cell;
    const buffer = this.term.buffer.active;
    if (!now) return;
    const x = this.host.offsetLeft + buffer.cursorX * now.width;
    const y = this.host.offsetTop + buffer.cursorY * now.height;
    if (x < stage.scrollLeft || x + now.width > stage.scrollLeft + stage.clientWidth) stage.scrollLeft = x - stage.clientWidth / 2;
    if (y < stage.scrollTop || y + now.height > stage.scrollTop + stage.clientHeight) stage.scrollTop = y - stage.clientHeight / 2;
  }

  focus() { this.term.focus(); }
  blur() { this.term.blur(); }

  /** What a named key sends in the terminal's present mode. */
  keyBytes(name) {
    const arrow = ARROWS[name];
    if (arrow) return (this.term.modes.applicationCursorKeysMode ? "\x1bO" : "\x1b[") + arrow;
    return { esc: "\x1b", tab: "\t" }[name] ?? "";
  }

  find(text, back) {
    const decorations = { matchBackground: "#8a6d1f", matchOverviewRuler: "#e6b455", activeMatchBackground: "#c78a17", activeMatchColorOverviewRuler: "#ffcf70" };
    const options = { decorations, incremental: false };
    if (!text) { this.search.clearDecorations(); this.on("found", "0", "0"); return; }
    if (back) this.search.findPrevious(text, options); else this.search.findNext(text, options);
  }

  dispose() {
    this.on = () => {};
    this.resized.disconnect();
    this.term.dispose();
  }

  endFind() { this.search.clearDecorations(); this.term.clearSelection(); }
}

/** Opens a terminal in `host`; `on(kind, first, second)` hears what happens in it. */
export function mount(host, on, dark) { return new Screen(host, on, dark); }
