/** A template tag for HTML that escapes every piece that is not HTML itself. */

/** A piece of HTML. */
export interface Html {
  readonly html: string;
}

type Piece = string | number | Html | readonly Html[];

/** `html\`<p>${text}</p>\``: escapes strings and numbers, and inserts HTML as it is. */
export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return { html: parts.map((part, i) => (i === 0 ? part : `${written(pieces[i - 1]!)}${part}`)).join('') };
}

/** Declares a text to be HTML. Never pass it text from outside. */
export function raw(text: string): Html {
  return { html: text };
}

/** Empty HTML. */
export const NOTHING: Html = raw('');

function written(piece: Piece): string {
  if (typeof piece === 'string' || typeof piece === 'number') return escaped(String(piece));
  return 'html' in piece ? piece.html : piece.map((one) => one.html).join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
