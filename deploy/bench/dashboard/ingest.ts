/** Measures requests with one location each over HTTP: accepted requests a second, and the time of each. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { System } from '#services/process/system.ts';
import { nearestRank } from '#simulations/statistics.ts';
import type { BenchRow } from '../bench.ts';
import { createCrowd } from './crowd.ts';

const USERS = 1_000;
const CONNECTIONS = 16;

/** Orders to the sending thread. */
export interface Load {
  readonly url: string;
  readonly users: number;
  readonly connections: number;
  readonly durationMs: number;
}

/** The final report of the sending thread. */
export interface Sent {
  readonly tookMs: readonly number[];
  readonly refused: number;
  readonly durationMs: number;
}

export async function ingestRows(system: System, url: string, durationMs: number): Promise<BenchRow[]> {
  await createCrowd(system.ingest, USERS, 1);
  const workerData: Load = { url, users: USERS, connections: CONNECTIONS, durationMs };
  const worker = new Worker(new URL('./ingest-load.main.ts', import.meta.url), { workerData });
  const [{ tookMs, refused, durationMs: tookAllMs }] = (await once(worker, 'message')) as [Sent];
  await worker.terminate();
  const sorted = tookMs.toSorted((a, b) => a - b);
  const setUp = `${CONNECTIONS} connections`;
  return [
    {
      metric: 'locations taken in over HTTP, one a request',
      value: (tookMs.length * 1000) / tookAllMs,
      unit: '/s',
      setUp,
    },
    { metric: 'a request, p50', value: nearestRank(sorted, 0.5), unit: 'ms', setUp },
    { metric: 'a request, p99', value: nearestRank(sorted, 0.99), unit: 'ms', setUp },
    { metric: 'requests refused', value: refused, unit: 'requests', setUp },
  ].map((row) => ({ ...row, group: 'ingest' }));
}
