/**
 * Measures the cost of each policy as a multiple of the offline optimum, in the abstract costs of the literature: on the
 * published day of taxis, and on other movements.
 */
import { existsSync } from 'node:fs';
import { TagalongError } from '#shared/errors.ts';
import {
  madeSetUps,
  OTHER_FILES,
  otherSetUps,
  type SetUp,
  WANG_FILES,
  wangSetUps,
} from '#simulations/lab/data/set-ups.ts';
import { asPublished, cheapestDetour, type Overflow } from '#simulations/lab/overflow.ts';
import { play } from '#simulations/lab/play.ts';
import { OWN, POLICIES } from '#simulations/lab/policies/catalogue.ts';
import { optimum } from '#simulations/lab/policies/yardsticks.ts';
import { atMost, type BenchReport, type BenchRow, benchReport } from './bench.ts';

const UNIT = 'x optimum';
/** Aims for our own policy on the published day. */
const AIMS: Record<string, number> = {
  '200 sites, distance': 1.1,
  '100 sites, distance': 1.06,
  '30 sites, distance': 1.03,
  '100 sites, constant': 1.02,
};
/** Capacity of a site in users, in the authors' own run. */
const CAP = 50;

interface PolicyBench {
  /** Folder with `wang-mdp` and the other recorded movements. */
  readonly data: string;
  /** Seed of made-up movements. */
  readonly seed: number;
  /** The parts to measure; all if absent. */
  readonly only: readonly string[];
}

interface Part {
  /** Files below the folder of data. */
  readonly needs: readonly string[];
  readonly rows: (options: PolicyBench) => Promise<BenchRow[]>;
}

/** The published day, the same with full sites, recorded movements of other kinds, made-up ones. */
const PARTS: Record<string, Part> = {
  wang: { needs: WANG_FILES, rows: async ({ data }) => (await wangSetUps(data)).flatMap(ratios) },
  capped: { needs: WANG_FILES, rows: ({ data }) => capped(data) },
  others: { needs: OTHER_FILES, rows: ({ data }) => ratiosOfEach(otherSetUps(data)) },
  made: { needs: [], rows: ({ seed }) => ratiosOfEach(madeSetUps(seed)) },
};

/** @throws TagalongError USAGE; TRACE_UNREADABLE before it measures anything, if data is missing */
export async function benchPolicy(options: PolicyBench): Promise<BenchReport> {
  const wanted = options.only.length === 0 ? Object.keys(PARTS) : options.only;
  const unknown = wanted.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown !== undefined) {
    throw new TagalongError(
      'USAGE',
      `--only: there is no part "${unknown}"; choose among ${Object.keys(PARTS).join(', ')}`,
    );
  }
  const missing = wanted.flatMap((part) => PARTS[part]!.needs).find((file) => !existsSync(`${options.data}/${file}`));
  if (missing !== undefined) {
    const right = 'name its folder with --data, or run --only made, which needs no data';
    throw new TagalongError('TRACE_UNREADABLE', `${options.data}/${missing}: is missing; ${right}`);
  }
  const rows: BenchRow[] = [];
  for (const group of wanted) rows.push(...(await PARTS[group]!.rows(options)).map((row) => ({ ...row, group })));
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
