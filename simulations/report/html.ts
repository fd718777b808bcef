/** HTML put together from pieces; what is not HTML itself is escaped. */

/** Text that is HTML. */
export interface Html {
  readonly html: string;
}

type Piece = string | number | Html | readonly Html[];

/** `html\`<p>${text}</p>\``: texts and numbers are escaped, HTML is taken as it is. */
export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return { html: parts.map((part, i) => (i === 0 ? part : `${written(pieces[i - 1]!)}${part}`)).join('') };
}

/** Takes text for HTML. Only for what we have made ourselves. */
export function raw(text: string): Html {
  return { html: text };
}

/** Nothing at all. */
export const NOTHING: Html = raw('');

function written(piece: Piece): string {
  if (typeof piece === 'string' || typeof piece === 'number') return escaped(String(piece));
  return 'html' in piece ? piece.html : piece.map((one) => one.html).join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
