/** Texts that somebody else wrote: a guest, QEMU, an agent, another program. */

/** The most characters that are kept of such a text. */
export const FOREIGN_TEXT_MOST = 512;

/** Control characters, marks that turn the direction of writing or show nothing, line ends, halves of characters. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** A text as one line without control characters, as it may be shown on a terminal; as long as it was. */
export function withoutControls(text: string): string {
  return text.replace(UNFIT, ' ');
}

/**
 * Makes a foreign text fit for an error, a log, an event or a terminal: one line, without control characters, of a
 * bounded length. Call it where the text enters.
 * @param text what is no text becomes an empty one
 * @param most characters that are kept
 */
export function foreignText(text: unknown, most = FOREIGN_TEXT_MOST): string {
  if (typeof text !== 'string') return '';
  // Cut first: the rest is not even looked at, however long it is.
  const clean = withoutControls(text.slice(0, 2 * most)).trim();
  if (clean.length <= most) return clean;
  // The cut must not leave half of a character.
  return clean
    .slice(0, most - 1)
    .replace(UNFIT, '')
    .concat('…');
}
