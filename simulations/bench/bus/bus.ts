/** `tagalong bench bus`: what the bus costs beside the bare client of the same server. */
import { serverUrl } from '#shared/config/server.ts';
import { TagalongError } from '#shared/errors.ts';
import { type BenchReport, type BenchRow, benchReport } from '../bench.ts';

/**
 * Measures on running servers, and removes what it made there.
 * @param servers as in a configuration: `nats://HOST:PORT` or `kafka://HOST:PORT`, without access or TLS
 * @throws TagalongError USAGE, BUS_UNREACHABLE
 */
export async function benchBus(servers: readonly string[]): Promise<BenchReport> {
  if (servers.length === 0) {
    throw new TagalongError('USAGE', '--servers: give the addresses of servers, as nats://127.0.0.1:4222');
  }
  const rows: BenchRow[] = [];
  for (const server of servers) {
    const url = serverUrl(server);
    if (url === undefined || url.kind === 'memory') {
      throw new TagalongError('USAGE', `--servers: ${server} is none; nats://HOST:PORT or kafka://HOST:PORT would be`);
    }
    for (const row of await measure(url.kind, url.hosts))
      rows.push({ ...row, metric: `${url.kind}: ${row.metric.trim()}` });
  }
  return benchReport('bus', rows);
}

async function measure(kind: 'nats' | 'kafka', hosts: readonly string[]): Promise<BenchRow[]> {
  if (kind === 'nats') return (await import('./nats.ts')).benchNatsBus({ servers: hosts.join(',') });
  return (await import('./kafka.ts')).benchKafkaBus({ brokers: hosts });
}
