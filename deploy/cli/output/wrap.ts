/** Wraps sentences so that a terminal breaks no word. */

/** The width of the terminal behind a stream; Infinity if it is no terminal. */
export function columnsOf({ isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number {
  return isTTY ? columns : Number.POSITIVE_INFINITY;
}

/** Breaks a text between its words. A word that is wider than a line stays whole. */
export function wrapped(text: string, columns: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
