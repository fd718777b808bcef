/** The result of one check of a host. */

/** `wanting` costs something but nothing fails; `missing` means that an agent cannot do its work. */
export type State = 'ok' | 'wanting' | 'missing';

/** One thing that an agent needs of its host. */
export interface Finding {
  readonly what: string;
  readonly state: State;
  /** The state that was found. */
  readonly found: string;
  /** How to mend it; absent where the state is ok. */
  readonly remedy?: string;
}

/** @returns a finding that is ok */
export function ok(what: string, found: string): Finding {
  return { what, state: 'ok', found };
}

/** @returns a finding that says what to do */
export function bad(state: 'wanting' | 'missing', what: string, found: string, remedy: string): Finding {
  return { what, state, found, remedy };
}
