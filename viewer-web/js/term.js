// What the viewer takes from xterm.js. Bundled to term.bundle.js by scripts/bundle-js.sh; `src/xterm.rs` binds it.
export { Terminal } from "@xterm/xterm";
export { ClipboardAddon } from "@xterm/addon-clipboard";
export { FitAddon } from "@xterm/addon-fit";
export { SearchAddon } from "@xterm/addon-search";
export { Unicode11Addon } from "@xterm/addon-unicode11";
export { WebLinksAddon } from "@xterm/addon-web-links";
export { WebglAddon } from "@xterm/addon-webgl";
