// What a person sees of an xterm.js terminal, in full. The same text runs in the page and in node.
// A cell is [characters, width, foreground, background, flags]; the foreground of a blank shows only if inverted.
function screen(terminal) {
  const flags = ['isBold', 'isDim', 'isItalic', 'isUnderline', 'isBlink', 'isInverse', 'isInvisible', 'isStrikethrough', 'isOverline'];
  const shownOnBlanks = ['isUnderline', 'isInverse', 'isStrikethrough', 'isOverline'];
  const buffer = terminal.buffer.active;
  const row = (line) => {
    const cells = [];
    for (let x = 0; x < terminal.cols; x++) {
      const cell = line.getCell(x);
      const characters = cell.getWidth() === 0 ? '' : cell.getChars() || ' ';
      const blank = characters === ' ';
      const set = (blank ? shownOnBlanks : flags).filter((name) => cell[name]());
      const foreground = blank && !set.length ? '' : `${cell.getFgColorMode()}:${cell.getFgColor()}`;
      cells.push([characters, cell.getWidth(), foreground, `${cell.getBgColorMode()}:${cell.getBgColor()}`, set.join(' ')]);
    }
    return cells;
  };
  const rows = [];
  for (let y = 0; y < terminal.rows; y++) rows.push(row(buffer.getLine(buffer.baseY + y)));
  const history = [];
  for (let y = 0; y < buffer.baseY; y++) history.push(buffer.getLine(y).translateToString(true).trimEnd());
  return {
    size: [terminal.cols, terminal.rows],
    // Behind the last column a wrap is pending; where exactly is not to be seen.
    cursor: [Math.min(buffer.cursorX, terminal.cols), buffer.cursorY],
    cursor_hidden: Boolean(terminal._core.coreService.isCursorHidden),
    buffer: buffer.type,
    modes: terminal.modes,
    rows,
    history,
  };
}
if (typeof module !== 'undefined') module.exports = { screen };
