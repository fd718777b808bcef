import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TERMINAL_TYPES } from '#shared/events/index.ts';
import { anything, type Command, faults } from './commands.ts';
import { configFor, Harness, ONE_OF_EACH, SEVERAL } from './harness.ts';
import { SEED } from './seed.ts';

/** Runs the commands, then runs until all moves have ended. The harness checks the rules at each instant. */
async function live(commands: readonly Command[], broken: Parameters<typeof Harness.create>[0]): Promise<Harness> {
  const harness = await Harness.create(broken);
  for (const { run } of commands) await run(harness);
  await harness.finishMoves();
  return harness;
}

const limits = fc.record({
  movesPerSite: fc.integer({ min: 1, max: 3 }),
  movesPerPath: fc.integer({ min: 1, max: 2 }),
});
const RUNS = { seed: SEED, numRuns: 150 };

describe(`rule 1: a VM never runs in two places, at no crash point
rule 2: a VM is never lost
rule 5: every accepted decision ends in exactly one terminal event, with its figures
rule 6: restarting any service at any moment loses nothing`, () => {
  // One harness checks these rules, and the limits of rule 3, at the same instants.
  test.each([
    ['one process of each service', ONE_OF_EACH],
    ['three placements and two migrators', SEVERAL],
  ])('rules 1, 2, 3 and 5 hold at every instant of any history of %s, and all moves end', async (_, processes) => {
    const happenings = fc.array(anything(processes), { minLength: 10, maxLength: 60, size: 'max' });
    let moves = 0;
    let completed = 0;
    let withGap = 0;
    await fc.assert(
      fc.asyncProperty(happenings, faults, limits, async (commands, broken, limited) => {
        const harness = await live(commands, { faults: broken, config: configFor(limited), processes });
        moves += harness.moves().length;
        completed += harness.of('migration.completed.v1').length;
        expect(harness.unended(), 'each decided move ends').toEqual([]);

        const ends = harness.of(...TERMINAL_TYPES);
        expect(new Set(ends.map(({ data }) => data.migration)).size, 'in one terminal event each').toBe(ends.length);
        for (const { figures } of ends.map(({ data }) => data)) {
          expect(figures.durationMs).toBeGreaterThanOrEqual(0);
          if (figures.clientGapMs === undefined) continue;
          withGap++;
          expect(figures.interruptionMs, 'the gap of a client counts').toBe(figures.clientGapMs);
        }
        expect(harness.of('event.rejected.v1'), 'no event became a dead letter').toEqual([]);

        for (const { vm, home, migration } of harness.located()) {
          if (migration !== null) continue;
          expect(harness.hypervisor.running(vm), `${vm} runs at its home in placement`).toEqual([home]);
        }
        await harness.close();
      }),
      RUNS,
    );
    // Histories without moves would pass the checks above.
    expect(moves).toBeGreaterThan(RUNS.numRuns);
    expect(completed).toBeGreaterThan(RUNS.numRuns / 4);
    expect(withGap).toBeGreaterThan(0);
  });
});
