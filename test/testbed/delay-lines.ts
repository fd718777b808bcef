/** Looks for the processes and the namespace that delay the packets of a run. */
import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import { until } from '#deploy/testbed/moves.ts';
import type { Network } from '#deploy/testbed/network.ts';

/** The processes that delay packets; none if the kernel does it. */
export async function processesOf(network: Network): Promise<number[]> {
  const out = await network.exec('delay', ['ip', 'netns', 'pids', network.namespace('delay')]);
  return out.split('\n').filter(Boolean).map(Number);
}
export const namespaceExists = (name: string) => existsSync(`/run/netns/${name}`);

/** Asserts that the namespace and the processes of a run are gone; processes take a moment. */
export async function expectGone(namespace: string, pids: readonly number[]): Promise<void> {
  expect(namespaceExists(namespace)).toBe(false);
  await until(() => pids.every((pid) => !existsSync(`/proc/${pid}/exe`)), 3000);
}
