/**
 * What a connection to a server serves, the bus or the store. It decides the codes of the connection's errors and the name in its
 * log lines. A server that does not accept our credentials is `BUS_REFUSED` in both roles: one account serves both as a rule.
 */
export interface ServerRole {
  readonly name: 'bus' | 'store';
  /** The code where the server does not answer, or does not take what it is sent. */
  readonly unreachable: 'BUS_UNREACHABLE' | 'STORE_UNREACHABLE';
  /** The code where the server is too old, lacks something, or holds what does not fit the configuration. */
  readonly unfit: 'BUS_UNFIT' | 'STORE_UNFIT';
}

/** The role of a bus's connection. */
export const BUS_ROLE: ServerRole = { name: 'bus', unreachable: 'BUS_UNREACHABLE', unfit: 'BUS_UNFIT' };

/** The role of a store's connection. */
export const STORE_ROLE: ServerRole = { name: 'store', unreachable: 'STORE_UNREACHABLE', unfit: 'STORE_UNFIT' };
