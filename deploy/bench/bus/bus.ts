/** `tagalong bench bus`: measures the buses against the bare clients of their servers, and placement on each bus. */
import { serverUrl } from '#shared/config/server.ts';
import { TagalongError } from '#shared/errors.ts';
import { type BenchReport, type BenchRow, benchReport } from '../bench.ts';
import { benchMemoryBus } from './memory.ts';
import { AMOUNTS, benchPlacement } from './placement.ts';

/** Settings of the measurement. */
export interface BusBench {
  /** Running servers as in a configuration: `nats://HOST:PORT` or `kafka://HOST:PORT`, without access or TLS. */
  readonly servers: readonly string[];
  /** True: few events, to check that the benchmark runs. */
  readonly quick: boolean;
  /** Seed of the users' movements. */
  readonly seed: number;
}

/**
 * Measures the bus in memory, and the buses on running servers. Removes everything that it creates on a server.
 * @throws TagalongError USAGE, BUS_UNREACHABLE
 */
export async function benchBus({ servers, quick, seed }: BusBench): Promise<BenchReport> {
  const urls = servers.map((server) => {
    const url = serverUrl(server);
    if (url !== undefined && url.kind !== 'memory') return { server, kind: url.kind, hosts: url.hosts };
    throw new TagalongError(
      'USAGE',
      `--servers: "${server}" is no address; give nats://HOST:PORT or kafka://HOST:PORT`,
    );
  });
  const amounts = AMOUNTS[quick ? 'quick' : 'whole'];
  const rows = named('memory', await benchMemoryBus(amounts.vms, seed));
  for (const { server, kind, hosts } of urls) {
    rows.push(...named(kind, await measure(kind, hosts, quick)));
    rows.push(...named(kind, await benchPlacement(kind, server, amounts, seed)));
  }
  return benchReport('bus', rows);
}

function named(kind: string, rows: readonly BenchRow[]): BenchRow[] {
  return rows.map((row) => ({ ...row, metric: `${kind}: ${row.metric.trim()}` }));
}

async function measure(kind: 'nats' | 'kafka', hosts: readonly string[], quick: boolean): Promise<BenchRow[]> {
  if (kind === 'nats') {
    const few = quick && { events: 2_000, steadyMs: 500 };
    return (await import('./nats.ts')).benchNatsBus({ servers: hosts.join(','), ...few });
  }
  const few = quick && { events: 2_000, repeats: 1, latencyMs: 1_500 };
  return (await import('./kafka.ts')).benchKafkaBus({ brokers: hosts, ...few });
}
