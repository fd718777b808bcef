/**
 * Tells the host's kernel of its paths, so that one connection uses all of them: the receiver announces its other
 * addresses (`signal`), and the sender's routes pick its own address on the same provider's network. How each path is
 * routed is the host's own affair: what comes from a provider's address has to leave by that provider.
 */
import { readFile } from 'node:fs/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import { batch, run } from './process.ts';

/** As many paths as MPTCP takes. The kernel's own limits are 2, and none that the other side announces. */
const LIMIT = 8;

/** @throws TagalongError MPTCP_UNAVAILABLE */
export async function preparePaths({ endpoints, qemu }: AgentConfig): Promise<void> {
  if (!qemu.mptcp) return;
  const enabled = await readFile('/proc/sys/net/mptcp/enabled', 'utf8').catch(() => undefined);
  if (enabled?.trim() !== '1') {
    const how = enabled === undefined ? 'take one of 5.6 or newer' : 'set it with: sysctl -w net.mptcp.enabled=1';
    throw new TagalongError('MPTCP_UNAVAILABLE', `the kernel does not do multipath TCP; ${how}`);
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
