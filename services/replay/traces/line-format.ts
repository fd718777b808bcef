import { filesOf } from './files.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import { linesOf } from './lines.ts';
import type { Rows } from './row.ts';

/** Reads one line that is not empty. It returns undefined for a line without a fix, after counting it. */
export type ReadLine = (line: string, file: string, number: number, rows: Rows) => Fix | undefined;

/** Makes a format with one row on each line, in one file or in the files of a folder whose names fit. */
export function lineFormat(pattern: RegExp, wanted: string, read: ReadLine): OpenFormat {
  return async (path) => {
    const files = await filesOf(path, pattern, wanted);
    return async function* (rows) {
      for (const file of files) {
        for await (const { first, lines } of linesOf(file)) {
          const fixes: Fix[] = [];
          for (const [i, line] of lines.entries()) {
            if (line.trim() === '') continue;
            const fix = read(line, file, first + i, rows);
            if (fix !== undefined) fixes.push(fix);
          }
          if (fixes.length > 0) yield fixes;
        }
      }
    };
  };
}
