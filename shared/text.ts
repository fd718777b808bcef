/** Foreign texts: from a guest, QEMU, an agent or another program. */

/** Longer foreign texts are truncated to this many characters. */
export const FOREIGN_TEXT_MOST = 512;

/** Control characters, direction marks and invisible ones, line ends, lone surrogates. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** A text as one line without control characters, safe for a terminal. Its length is not limited. */
export function withoutControls(text: string): string {
  return text.replace(UNFIT, ' ');
}

/**
 * Makes a foreign text fit for an error, a log, an event or a terminal: one line, without control characters, of a
 * bounded length. Call it where the text enters.
 * @param text any other value than a string becomes an empty string
 * @param most length of the result, in characters
 */
export function foreignText(text: unknown, most = FOREIGN_TEXT_MOST): string {
  if (typeof text !== 'string') return '';
  // Truncate first, so that the cost does not depend on the length.
  const clean = withoutControls(text.slice(0, 2 * most)).trim();
  if (clean.length <= most) return clean;
  // The truncation may have left a lone surrogate.
  return clean
    .slice(0, most - 1)
    .replace(UNFIT, '')
    .concat('…');
}
