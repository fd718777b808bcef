/** The result of one check of a host. */

/** `wanting` costs speed or a path; `missing` means that an agent cannot do its work. */
export type State = 'ok' | 'wanting' | 'missing';

/** One requirement of an agent to its host. */
export interface Finding {
  readonly what: string;
  readonly state: State;
  /** The state that was found. */
  readonly found: string;
  /** The remedy; absent if the state is ok. */
  readonly remedy?: string;
}

/** @returns a finding that is ok */
export function ok(what: string, found: string): Finding {
  return { what, state: 'ok', found };
}

/** @returns a finding with a remedy */
export function bad(state: 'wanting' | 'missing', what: string, found: string, remedy: string): Finding {
  return { what, state, found, remedy };
}
