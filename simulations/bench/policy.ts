/**
 * What each policy costs, as a multiple of the offline optimum, in the abstract costs of the literature: on the published
 * day of taxis, and on movements of other kinds.
 */
import { TagalongError } from '#shared/errors.ts';
import { madeSetUps, otherSetUps, type SetUp, wangSetUps } from '../lab/data/set-ups.ts';
import { asPublished, cheapestDetour, type Overflow } from '../lab/overflow.ts';
import { play } from '../lab/play.ts';
import { OWN, POLICIES } from '../lab/policies/catalogue.ts';
import { optimum } from '../lab/policies/foresight.ts';
import { atMost, type BenchReport, type BenchRow, benchReport } from './bench.ts';

const UNIT = 'x optimum';
/** What our own policy is to reach on the published day. */
const AIMS: Record<string, number> = {
  '200 sites, distance': 1.1,
  '100 sites, distance': 1.06,
  '30 sites, distance': 1.03,
  '100 sites, constant': 1.02,
};
/** Users a site takes, in the authors' own run. */
const CAP = 50;

interface PolicyBench {
  /** Folder with `wang-mdp` and the other recorded movements. */
  readonly data: string;
  /** Of made-up movements. */
  readonly seed: number;
  /** Parts, where not all are wanted. */
  readonly only: readonly string[];
}

/** By name: the published day, the same with full sites, recorded movements of other kinds, made-up ones. */
const PARTS: Record<string, (options: PolicyBench) => Promise<BenchRow[]>> = {
  wang: async ({ data }) => (await wangSetUps(data)).flatMap(ratios),
  capped: ({ data }) => capped(data),
  others: ({ data }) => ratiosOfEach(otherSetUps(data)),
  made: ({ seed }) => ratiosOfEach(madeSetUps(seed)),
};

/** @throws TagalongError USAGE; TRACE_UNREADABLE or SITES_INVALID where data is missing */
export async function benchPolicy(options: PolicyBench): Promise<BenchReport> {
  const wanted = options.only.length === 0 ? Object.keys(PARTS) : options.only;
  const unknown = wanted.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown !== undefined) {
    throw new TagalongError('USAGE', `--only: no part "${unknown}"; there are ${Object.keys(PARTS).join(', ')}`);
  }
  const rows: BenchRow[] = [];
  for (const group of wanted) rows.push(...(await PARTS[group]!(options)).map((row) => ({ ...row, group })));
  return benchReport('policy', rows);
}

async function ratiosOfEach(setUps: AsyncIterable<SetUp>): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for await (const setUp of setUps) rows.push(...ratios(setUp));
  return rows;
}

function ratios({ name: setUp, world, trace }: SetUp): BenchRow[] {
  const least = play(optimum, world, trace).cost;
  return POLICIES.map((policy) => {
    const value = play(policy, world, trace).cost / least;
    const aim = policy === OWN ? AIMS[setUp] : undefined;
    const row = aim === undefined ? { metric: policy.name, value, unit: UNIT } : atMost(policy.name, value, UNIT, aim);
    return { ...row, setUp };
  });
}

async function capped(data: string): Promise<BenchRow[]> {
  const { world, trace } = (await wangSetUps(data)).find(({ name }) => name === '100 sites, distance')!;
  const rules: Record<string, Overflow> = {
    [`${CAP} users a site, as published`]: asPublished(CAP),
    [`${CAP} users a site, cheapest detour`]: cheapestDetour(CAP),
  };
  return Object.entries(rules).flatMap(([setUp, overflow]) =>
    POLICIES.filter(({ sees, name }) => sees === 'past' || name === 'mdp').map((policy) => ({
      metric: policy.name,
      setUp,
      value: play(policy, world, trace, overflow).meanOfSlots,
      unit: 'cost a user and slot',
    })),
  );
}
