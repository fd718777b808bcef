/** Encodes any text as a token of a subject, a consumer's name or a key of NATS KV. */

/** All characters except those that subjects, consumer names and keys of NATS KV all allow. */
const UNSAFE = /[^A-Za-z0-9_-]/gu;
const encoder = new TextEncoder();

/** A text as one token: each byte of UTF-8 of a character that is not allowed becomes `=` and two hexadecimal digits. */
export function escapeToken(text: string): string {
  if (text === '') return '=';
  return text.replace(UNSAFE, (char) =>
    [...encoder.encode(char)].map((byte) => `=${byte.toString(16).padStart(2, '0').toUpperCase()}`).join(''),
  );
}

/** Decodes a token; undefined if `escapeToken` could not have made it. */
export function unescapeToken(token: string): string | undefined {
  if (token === '=') return '';
  try {
    const text = decodeURIComponent(token.replaceAll('=', '%'));
    return escapeToken(text) === token ? text : undefined;
  } catch {
    return undefined;
  }
}
