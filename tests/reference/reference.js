// The independent reference: headless xterm.js, fed everything. Reads JSON lines from stdin,
//   {"cols":80,"rows":24,"scrollback":1000} first, then {"bytes":"<base64>"} and {"cols":…,"rows":…} in any order,
// and prints the screen at the end.
'use strict';
const { createRequire } = require('node:module');
const path = require('node:path');
const { screen } = require('./screen.js');
// Installed once, beside the tests of the terminal model, which have the same judge.
const judge = createRequire(path.join(__dirname, '../../sharer-native/tests/oracle/package.json'));
const { Terminal } = judge('@xterm/headless');
const { Unicode11Addon } = judge('@xterm/addon-unicode11');

const [first, ...rest] = require('node:fs').readFileSync(0, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const terminal = new Terminal({ ...first, allowProposedApi: true, logLevel: 'off' });
terminal.loadAddon(new Unicode11Addon());
terminal.unicode.activeVersion = '11';
// xterm.js loses a character whose bytes come in two pieces; a streaming decoder keeps it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
(async () => {
  for (const step of rest) {
    if ('bytes' in step) {
      const text = decoder.decode(Buffer.from(step.bytes, 'base64'), { stream: true });
      await new Promise((done) => terminal.write(text, done));
    } else {
      terminal.resize(step.cols, step.rows);
    }
  }
  console.log(JSON.stringify(screen(terminal)));
})();
