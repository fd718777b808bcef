import type { Role } from '#shared/roles.ts';

/** The sender of a request. */
export interface Caller {
  /** The name of the token; or `person` and the subject of a person, which is for a device its user as the bus names users. */
  readonly name: string;
  /** Undefined: the person's claims give no role. */
  readonly role: Role | undefined;
  /** True for `http.token`, which many clients may share. */
  readonly isShared?: true;
  /** The user for whom a device speaks, as the bus names users. */
  readonly user?: string;
}

/** Recognises the caller by the token that a request shows; undefined where the token is not valid. */
export type Check = (shown: string) => Caller | undefined | Promise<Caller | undefined>;

/** Every caller of a server that asks for no tokens. */
export const EVERYBODY: Caller = { name: 'everybody', role: 'admin' };
