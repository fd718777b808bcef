/** Issued tokens, `tgl_<id>_<secret>`, in texts that people see. */

/** The id of a token. @param shown the id, or the whole token by mistake */
export function tokenIdIn(shown: string): string {
  return /^tgl_([0-9a-f]{16})_[\w-]+$/.exec(shown)?.[1] ?? shown;
}

/** Replaces the secrets of tokens in a text. */
export function withoutSecrets(text: string): string {
  return text.replace(/(tgl_[0-9a-f]{16})_[\w-]+/g, '$1_…');
}
