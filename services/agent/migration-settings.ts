/**
 * The settings of a QEMU migration that source and destination have to agree on: capabilities, parameters and addresses, in
 * the words of QEMU's qapi/migration.json.
 */
import type { AgentConfig } from '#shared/config/agent.ts';

/** The largest `max-bandwidth` that QEMU accepts. The paths are the limit; QEMU's default would be 1.07 Gbit/s. */
export const NO_LIMIT_BPS = 2 ** 40;

/** The settings by which a receiving QEMU protects its listeners. Both are empty without encryption. */
export interface ServerTls {
  /** The id of the `tls-creds-x509` object. */
  readonly creds: string;
  /** The id of the object that decides which client may connect. */
  readonly authz: string;
}

/** The certificates of a connection between two QEMUs. */
export interface Tls {
  /** The id of the `tls-creds-x509` object in this QEMU; empty: no encryption. */
  readonly creds: string;
  /** The site whose certificate the other end has to show. */
  readonly peer: string;
}

/**
 * The capabilities of one end of a migration, as `migrate-set-capabilities` takes them.
 * @param postCopy whether the VM may be resumed before all of its memory has arrived
 */
export function capabilities(
  { autoConverge, compression }: AgentConfig['qemu'],
  end: 'source' | 'destination',
  postCopy: boolean,
): object[] {
  const on = (capability: string, state = true) => ({ capability, state });
  return [
    on('events'),
    on('auto-converge', autoConverge),
    on('multifd', compression !== 'none'),
    on('postcopy-ram', postCopy),
    ...(end === 'source' ? [on('pause-before-switchover')] : []),
  ];
}

/** The parameters that both ends have to set alike. */
export function parameters({ compression }: AgentConfig['qemu']): object {
  // Each channel is an MPTCP connection with its own subflows on all paths, so two channels are enough.
  return compression === 'none' ? {} : { 'multifd-compression': compression, 'multifd-channels': 2 };
}

/**
 * Where a receiving QEMU listens. Multipath TCP needs one listener for all paths: a further subflow comes to another address of this
 * host. `fence` in packet-rules.ts keeps all addresses but those of the paths out.
 */
export const ANY_ADDRESS = '0.0.0.0';

/** An `InetSocketAddress` of QEMU; with `mptcp` the connection uses all paths (RFC 8684). */
export function tcp(host: string, port: number, mptcp: boolean): object {
  return { type: 'inet', host, port: `${port}`, ...(mptcp && { mptcp }) };
}

/** The channels of `migrate` and `migrate-incoming`: the main channel at one TCP address. */
export function mainChannel(host: string, port: number, mptcp: boolean): object[] {
  return [{ 'channel-type': 'main', addr: { ...tcp(host, port, mptcp), transport: 'socket' } }];
}
