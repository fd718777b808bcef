/** Measures a comparison of policies on a real trace: a recorded weekday of taxis among base stations. */
import { existsSync } from 'node:fs';
import { readSites, type SiteSpec } from '#services/replay/site-lists.ts';
import { csvRecords } from '#services/replay/traces/csv-records.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { simulate } from '#simulations/simulate.ts';
import type { Subject } from '#simulations/subject.ts';
import { atMost, type BenchRow } from '../bench.ts';

const POLICIES = ['tagalong', 'nearest', 'never'];
/** The compared policies: all that see only the past, one that sees a while ahead, and the bound. */
const ALL = [
  ...POLICIES,
  ...['hysteresis(2)', 'myopic', 'ski-rental(1)', 'mdp', 'lyapunov', 'work-function', 'look-ahead(300)', 'optimum'],
];
/** Base stations whose positions are reliable: enough samples, close enough together. */
const TRUSTED = { cells: 3, samples: 50, spreadM: 1000 };

/** A row for each policy, with the time of reading; none if the recordings are missing. @param data folder of the recordings */
export async function weekdayRows(data: string): Promise<BenchRow[]> {
  const [trace, stations] = ['cabs-2008-05-21.csv.gz', 'sites-enodeb-sf.csv'].map(
    (name) => `${data}/sf-cabspotting/${name}`,
  ) as [string, string];
  if (!existsSync(trace) || !existsSync(stations)) return [];
  const sites = await trustedSites(stations);
  const rows: BenchRow[] = [];
  const subject: Subject = { kind: 'trace', path: trace, options: {}, sites };
  for (const policy of POLICIES) {
    const begun = process.cpuUsage();
    const { comparison } = await simulate(subject, {
      config: DEFAULT_CONFIG,
      policies: [policy],
      seeds: [0],
      threads: 1,
    });
    const { user, system } = process.cpuUsage(begun);
    const [run] = comparison.runs;
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
  const begunMs = performance.now();
  const begun = process.cpuUsage();
  await simulate(subject, { config: DEFAULT_CONFIG, policies: ALL, seeds: [0] });
  const { user, system } = process.cpuUsage(begun);
  const tookS = (performance.now() - begunMs) / 1000;
  return [
    ...rows,
    atMost('  ten policies and the optimum, on all cores', tookS, 's', 20),
    atMost('    processor time, compared with that of tagalong alone', (user + system) / 1e6 / rows[1]!.value, 'x', 12),
  ];
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
