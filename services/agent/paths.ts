/**
 * Configures multipath TCP in the host's kernel (RFC 8684), so that one connection uses all paths: the receiver announces its other
 * addresses (`signal`), and the sender's routes select its own address on the same provider's network. The routes are the
 * operator's: packets from a provider's address have to leave by that provider.
 */
import { readFile } from 'node:fs/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import { batch, run } from './process.ts';

/** The most subflows that the kernel allows. Its defaults are 2, and 0 for addresses that the other side announces. */
const LIMIT = 8;

/** Sets the kernel's limits, and announces all addresses but the first. @throws TagalongError MPTCP_UNAVAILABLE */
export async function preparePaths({ endpoints, qemu }: AgentConfig): Promise<void> {
  if (!qemu.mptcp) return;
  const enabled = await readFile('/proc/sys/net/mptcp/enabled', 'utf8').catch(() => undefined);
  if (enabled?.trim() !== '1') {
    const how = enabled === undefined ? 'boot Linux 5.6 or newer' : 'switch it on: sysctl -w net.mptcp.enabled=1';
    throw new TagalongError('MPTCP_UNAVAILABLE', `the kernel has no multipath TCP, or it is switched off; ${how}`);
  }
  const { stdout } = await run('ip', ['mptcp', 'endpoint', 'show']);
  const known = new Set(stdout.split('\n').map((line) => line.split(' ')[0]));
  await batch('ip', [
    ['mptcp', 'limits', 'set', 'subflows', LIMIT, 'add_addr_accepted', LIMIT],
    ...endpoints
      .slice(1)
      .filter(({ address }) => !known.has(address))
      .map(({ address }) => ['mptcp', 'endpoint', 'add', address, 'signal']),
  ]);
}
