/** VMs that are kept apart, and VMs that move in a group, while placements are stopped and killed. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Affinity } from '#shared/events/index.ts';
import { longOr } from '../long.ts';
import { anything, faults } from './commands.ts';
import { configFor, Harness, ONE_OF_EACH, SEVERAL, SITES } from './harness.ts';
import { SEED } from './seed.ts';

/** All three are on one partition. */
const prefix = 'shop::';
const [lead, follower, other] = ['shop::v0', 'shop::v1', 'shop::v2'] as const;
const group = { lead, apartUserMsPerS: 10 };
/** The follower goes where the lead goes; lead and other never share a site. */
const affinities: Readonly<Record<string, Affinity>> = {
  [lead]: { preferenceUserMsPerS: 0, group, apart: 'shop' },
  [follower]: { preferenceUserMsPerS: 0, group },
  [other]: { preferenceUserMsPerS: 0, apart: 'shop' },
};
const RUNS = { seed: SEED, numRuns: longOr(25, 150) };

test.each([
  ['one process of each service', ONE_OF_EACH],
  ['three placements and two migrators', SEVERAL],
])(
  'after any history of %s, a group is together and a set is apart',
  async (_, processes) => {
    const happenings = fc.array(anything(processes), { minLength: 10, maxLength: 40, size: 'max' });
    let moves = 0;
    await fc.assert(
      fc.asyncProperty(happenings, faults, async (commands, broken) => {
        const harness = await Harness.create({ faults: broken, config: configFor({}), processes, prefix, affinities });
        for (const { run } of commands) await run(harness);
        for (const site of SITES) await harness.siteReporter.drain(site, false, true);
        await harness.finishMoves();
        // A VM may have to wait until its last move has cooled down, or its last failure is forgiven.
        await harness.pass(3_600_000);
        await harness.finishMoves();
        const homes = new Map(harness.located().map(({ vm, home }) => [vm, home]));
        expect(homes.get(follower), 'the follower is with the lead').toBe(homes.get(lead));
        expect(homes.get(other), 'the other one is apart from the lead').not.toBe(homes.get(lead));
        moves += harness.moves().length;
        await harness.close();
      }),
      RUNS,
    );
    expect(moves).toBeGreaterThan(RUNS.numRuns);
  },
  600_000,
);
