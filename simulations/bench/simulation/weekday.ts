/** A recorded weekday of taxis among base stations: what comparing policies on a real trace takes. */
import { existsSync } from 'node:fs';
import { readSites, type SiteSpec } from '#services/ingest/sites.ts';
import { csvRecords } from '#services/ingest/traces/csv-records.ts';
import { openTrace } from '#services/ingest/traces/trace.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { simulate } from '../../simulate.ts';
import type { BenchRow } from '../bench.ts';

const POLICIES = ['tagalong', 'nearest', 'never'];
/** Base stations that enough was heard of, close enough together, to know where they are. */
const TRUSTED = { cells: 3, samples: 50, spreadM: 1000 };

/** A row a policy, reading included; none where the recordings are missing. @param data the folder of them */
export async function weekdayRows(data: string): Promise<BenchRow[]> {
  const [trace, stations] = ['cabs-2008-05-21.csv.gz', 'sites-enodeb-sf.csv'].map(
    (name) => `${data}/sf-cabspotting/${name}`,
  ) as [string, string];
  if (!existsSync(trace) || !existsSync(stations)) return [];
  const sites = await trustedSites(stations);
  const rows: BenchRow[] = [];
  for (const policy of POLICIES) {
    const begun = process.cpuUsage();
    const subject = { trace: await openTrace(trace), sites };
    const { runs } = await simulate(subject, { config: DEFAULT_CONFIG, policies: [policy], seed: 0 });
    const { user, system } = process.cpuUsage(begun);
    const [run] = runs;
    rows.push({
      metric: `  ${policy}, ${run!.migrations.completed.toLocaleString('en')} moves`,
      value: (user + system) / 1e6,
      unit: 'CPU s',
    });
    if (rows.length > 1) continue;
    const positions = Object.values(run!.locations).reduce((sum, count) => sum + count, 0);
    rows.unshift({
      metric: `a weekday of ${run!.users} taxis in San Francisco, ${sites.length} sites`,
      value: positions,
      unit: 'positions',
    });
  }
  return rows;
}

async function trustedSites(path: string): Promise<SiteSpec[]> {
  const trusted = new Set<string>();
  for await (const batch of csvRecords(path)) {
    for (const { fields } of batch) {
      const [site, , , cells, samples, , spreadM] = fields;
      const enough = Number(cells) >= TRUSTED.cells && Number(samples) >= TRUSTED.samples;
      if (enough && Number(spreadM) <= TRUSTED.spreadM) trusted.add(site!);
    }
  }
  return (await readSites(path)).filter(({ site }) => trusted.has(site));
}
