/**
 * The purpose of a connection to a server: the bus or the store. The role decides the codes of the connection's errors and the name in
 * its log lines. If the server refuses the credentials, the code is `BUS_REFUSED` in both roles: bus and store usually share an account.
 */
export interface ServerRole {
  readonly name: 'bus' | 'store';
  /** The code if the server does not answer, or does not accept a message. */
  readonly unreachable: 'BUS_UNREACHABLE' | 'STORE_UNREACHABLE';
  /** The code if the server is too old, lacks a feature, or its streams or topics do not fit the configuration. */
  readonly unfit: 'BUS_UNFIT' | 'STORE_UNFIT';
}

/** The role of the connection of a bus. */
export const BUS_ROLE: ServerRole = { name: 'bus', unreachable: 'BUS_UNREACHABLE', unfit: 'BUS_UNFIT' };

/** The role of the connection of a store. */
export const STORE_ROLE: ServerRole = { name: 'store', unreachable: 'STORE_UNREACHABLE', unfit: 'STORE_UNFIT' };
