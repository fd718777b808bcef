/** Checks that a host has what an agent needs, the most important things first. */
import { networkInterfaces } from 'node:os';
import type { AgentConfig } from '#shared/config/agent.ts';
import { bad, type Finding, ok } from './finding.ts';
import { kernelFindings } from './kernel.ts';
import { programFindings } from './programs.ts';
import { siteFindings } from './site.ts';

/** The QEMU to check if the settings name none. */
const ANY_QEMU = { binary: 'qemu-system-x86_64', accel: 'auto' } as const;

/** @param config the agent's settings; without them the doctor checks only the needs of every agent */
export async function examine(config?: AgentConfig): Promise<Finding[]> {
  if (process.platform !== 'linux') {
    return [bad('missing', 'Linux', process.platform, 'agents run on Linux; everything else runs anywhere')];
  }
  const rights =
    process.getuid?.() === 0
      ? ok('rights', 'root')
      : bad('missing', 'rights', 'not root', 'run it, and the agent, as root: it makes taps, tunnels and bridges');
  const site = config === undefined ? [addressFinding()] : await siteFindings(config);
  return [rights, ...(await kernelFindings()), ...(await programFindings(config?.qemu ?? ANY_QEMU)), ...site];
}

/** Warns of a single address: it is a single path, and a migration cannot use several. */
function addressFinding(): Finding {
  const all = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  const addresses = all.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address);
  if (addresses.length > 1) return ok('paths', addresses.join(', '));
  const remedy = 'one with each provider; --config FILE looks at those of an agent';
  return bad('wanting', 'paths', addresses.join() || 'no address', remedy);
}
