// Judges snapshots of the terminal model by xterm.js, which is what people see.
//
// Reads a list of questions in JSON from stdin and answers each in JSON on stdout. A question is
//   { cols, rows, stream, cuts: [{ at, screen, full, text }], then }
// `stream` is what a program wrote. `screen` and `full` are the model's dumps after `at` bytes of it, `text` is
// what the model believes its screen to be. Bytes are in hex. Each dump is fed to a fresh terminal, which must
// be the same as one that has read all bytes: at the cut, and again `then` bytes later.
// The answer is a list of differences, the first per dump and moment:
//   [{ at, dump, later, what, row, expected, found }]
// A question without a stream is { cols, rows, full, text }: does the dump show the text?
'use strict';
const { Terminal } = require('@xterm/headless');
const { Unicode11Addon } = require('@xterm/addon-unicode11');

const SCROLLBACK = 1000;
const HISTORY_COMPARED = 200;

/** A terminal as the viewer has it: Unicode 11 widths, and strings from a streaming decoder. */
class Viewer {
  constructor(cols, rows) {
    this.terminal = new Terminal({ cols, rows, scrollback: SCROLLBACK, allowProposedApi: true, logLevel: 'off' });
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = '11';
    this.decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    this.replies = '';
    this.terminal.onData((data) => (this.replies += data));
  }

  write(bytes) {
    this.terminal._core._writeBuffer.writeSync(this.decoder.decode(bytes, { stream: true }));
  }

  /** What can be seen, as lists of rows by name. */
  state() {
    const { terminal } = this;
    const core = terminal._core;
    const buffer = terminal.buffer.active;
    const text = [];
    const look = [];
    for (let y = 0; y < terminal.rows; y++) {
      const [rowText, rowLook] = readRow(buffer.getLine(buffer.baseY + y), terminal.cols, buffer);
      text.push(rowText);
      look.push(rowLook);
    }
    const modes = {
      ...core.coreService.decPrivateModes,
      ...core.coreService.modes,
      ...terminal.modes,
      convertEol: core.optionsService.rawOptions.convertEol,
      mouseEncoding: core.coreMouseService.activeEncoding,
      screen: buffer.type,
    };
    const cursor = [Math.min(buffer.cursorX, terminal.cols), buffer.cursorY, core.coreService.isCursorHidden];
    return { text, look, cursor: [cursor.join()], modes: Object.entries(modes).map((mode) => mode.join(' ')) };
  }

  history() {
    const buffer = this.terminal.buffer.active;
    const lines = [];
    for (let y = Math.max(0, buffer.baseY - HISTORY_COMPARED); y < buffer.baseY; y++) {
      lines.push(buffer.getLine(y).translateToString(true).trimEnd());
    }
    return lines;
  }
}

const FLAGS = {
  isBold: 1, isDim: 2, isItalic: 4, isUnderline: 8, isBlink: 16, isInverse: 32, isInvisible: 64, isStrikethrough: 128,
};
const SEEN_ON_BLANKS = FLAGS.isUnderline | FLAGS.isInverse | FLAGS.isStrikethrough;

function readRow(line, cols, buffer) {
  const cell = buffer.getNullCell();
  const look = [];
  let text = '';
  for (let x = 0; x < cols; x++) {
    line.getCell(x, cell);
    const chars = cell.getWidth() === 0 ? '' : cell.getChars() || ' ';
    const blank = chars === ' ';
    let flags = 0;
    for (const [flag, bit] of Object.entries(FLAGS)) if (cell[flag]()) flags |= bit;
    if (blank) flags &= SEEN_ON_BLANKS;
    const foreground = blank && !(flags & FLAGS.isInverse) ? '' : `${cell.getFgColorMode()}:${cell.getFgColor()}`;
    const background = `${cell.getBgColorMode()}:${cell.getBgColor()}`;
    const underline = cell.isUnderline() ? cell.extended.underlineStyle : 0;
    text += chars;
    look.push(`${foreground}/${background}/${flags}/${underline}`);
  }
  return [text, look.join(' ')];
}

/** The first row in which two states differ, or null. */
function difference(expected, found) {
  for (const what of Object.keys(expected)) {
    const rows = Math.max(expected[what].length, found[what].length);
    for (let row = 0; row < rows; row++) {
      if (expected[what][row] !== found[what][row]) {
        return { what, row, expected: expected[what][row] ?? '', found: found[what][row] ?? '' };
      }
    }
  }
  return null;
}

const trimmed = (text) => text.split('\n').map((line) => line.trimEnd()).join('\n').trimEnd();
const bytes = (hex) => Buffer.from(hex, 'hex');

function judge({ cols, rows, stream, cuts, then }) {
  const all = bytes(stream);
  const live = new Viewer(cols, rows);
  const moments = new Map();
  let read = 0;
  for (const at of [...new Set(cuts.flatMap((cut) => [cut.at, cut.at + then]))].sort((a, b) => a - b)) {
    live.write(all.subarray(read, at));
    read = at;
    moments.set(at, { state: live.state(), history: live.history() });
  }
  const differences = [];
  for (const cut of cuts) {
    for (const dump of ['screen', 'full']) {
      const joined = new Viewer(cols, rows);
      joined.write(bytes(cut[dump]));
      if (joined.replies) differences.push({ at: cut.at, dump, later: false, what: 'replies', row: 0, expected: '', found: joined.replies });
      for (const later of [false, true]) {
        if (later) joined.write(all.subarray(cut.at, cut.at + then));
        const { state, history } = moments.get(later ? cut.at + then : cut.at);
        const expected = dump === 'full' ? { ...state, history } : state;
        const found = dump === 'full' ? { ...joined.state(), history: joined.history() } : joined.state();
        const first = difference(expected, found);
        if (first) differences.push({ at: cut.at, dump, later, ...first });
      }
    }
    const believed = trimmed(bytes(cut.text).toString());
    const real = trimmed(moments.get(cut.at).state.text.join('\n'));
    if (believed !== real) differences.push({ at: cut.at, dump: 'text', later: false, what: 'text', row: 0, expected: real, found: believed });
  }
  return differences;
}

function check({ cols, rows, full, text }) {
  const viewer = new Viewer(cols, rows);
  viewer.write(bytes(full));
  const [expected, found] = [trimmed(bytes(text).toString()), trimmed(viewer.state().text.join('\n'))];
  return expected === found ? [] : [{ at: 0, dump: 'full', later: false, what: 'text', row: 0, expected, found }];
}

/** xterm.js fails at some sequences no program writes; a stream with one of those proves nothing. */
function answer(question) {
  try {
    return question.stream ? judge(question) : check(question);
  } catch (error) {
    if (!process.env.ORACLE_SHOW) return [{ what: 'xterm.js fails', found: error.message }];
    return [{ what: 'xterm.js fails', found: error.stack.split('\n').slice(-12).join('|').slice(0, 1500) }];
  }
}

const questions = JSON.parse(require('fs').readFileSync(0));
process.stdout.write(JSON.stringify(questions.map(answer)));
