/** `tagalong bench migration`: real moves, measured. All ratios come from one run. */

import { type BenchReport, type BenchRow, benchReport } from '#deploy/bench/bench.ts';
import { TagalongError } from '#shared/errors.ts';
import { refuseWhereMissing } from '../../testbed/needs.ts';
import { benchFarGap, benchGap, benchToAndFro } from './clients.ts';
import { benchStorage } from './storage.ts';
import { benchCut, benchPaths, benchRates, benchRtts, benchSizes } from './transport.ts';

/** The size of the measurement. */
export interface MigrationBenchOptions {
  /** True: few repeats. It takes minutes less, and the figures scatter more. */
  readonly quick: boolean;
  /** The parts to measure; all if none is named. */
  readonly only: readonly string[];
}

const PARTS: Record<string, (quick: boolean) => Promise<BenchRow[]>> = {
  paths: (quick) => benchPaths(quick ? 1 : 3),
  rates: (quick) => benchRates(quick ? 1 : 3),
  sizes: (quick) => benchSizes(1 + (quick ? 0 : 2)),
  rtts: (quick) => benchRtts(quick ? 1 : 3, (quick ? 80 : 160) * 2 ** 20),
  cut: () => benchCut(),
  gap: (quick) => benchGap(quick ? 3 : 9),
  'far-gap': (quick) => benchFarGap(quick ? 3 : 9),
  moves: (quick) => benchToAndFro(quick ? 6 : 50),
  storage: (quick) => benchStorage(quick ? 2 ** 27 : 2 ** 30),
};

/** @throws TagalongError USAGE, TESTBED_MISSING */
export async function benchMigration({ quick, only }: MigrationBenchOptions): Promise<BenchReport> {
  const unknown = only.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown !== undefined) {
    throw new TagalongError(
      'USAGE',
      `--only: there is no part "${unknown}"; choose among ${Object.keys(PARTS).join(', ')}`,
    );
  }
  await refuseWhereMissing();
  const rows: BenchRow[] = [];
  for (const [name, measure] of Object.entries(PARTS)) {
    if (only.length === 0 || only.includes(name)) rows.push(...(await measure(quick)));
  }
  return benchReport('migration', rows);
}
