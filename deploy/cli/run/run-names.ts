import type { PlacementStatus } from '#services/placement/status.ts';
import { askEach, type ServerOptions } from './client.ts';

/** A shell would expand other characters in a completion, and a server may send any name. */
const SAFE = /^[\w.:@+-]+$/;

/**
 * Prints the names of all sites or VMs, one a line, for a shell that completes them. Omits names that a shell would expand.
 * @throws TagalongError the errors of `askEach`
 */
export async function printNames(what: 'sites' | 'vms', options: ServerOptions): Promise<void> {
  const { answers } = await askEach<PlacementStatus>(options, '/v1/status');
  const names = answers.flatMap(({ sites, vms }) =>
    what === 'sites' ? sites.map(({ site }) => site) : vms.map(({ vm }) => vm),
  );
  const lines = [...new Set(names)].filter((name) => SAFE.test(name)).sort();
  process.stdout.write(lines.map((name) => `${name}\n`).join(''));
}
