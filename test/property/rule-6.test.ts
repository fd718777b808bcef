import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TERMINAL_TYPES } from '#shared/events/index.ts';
import { type Command, undisturbed } from './commands.ts';
import { Harness, type Who } from './harness.ts';
import { SEED } from './seed.ts';

interface Step {
  readonly command: Command;
  /** Who is stopped and started again before it. */
  readonly restart: Who | undefined;
}

const steps = fc.array(
  fc.record<Step>({
    command: undisturbed,
    restart: fc.option(fc.constantFrom<Who>('placement', 'migrator'), { freq: 1, nil: undefined }),
  }),
  { minLength: 10, maxLength: 50, size: 'max' },
);

/** All that was decided and all that came of it. */
async function outcome(history: readonly Step[], withRestarts: boolean) {
  const harness = await Harness.create();
  for (const { command, restart } of history) {
    if (withRestarts && restart !== undefined) await harness.stop(restart, 0);
    await command.run(harness);
  }
  await harness.rest();
  const decided = harness.of('placement.decided.v1').map(({ data }) => data);
  const ended = harness.of(...TERMINAL_TYPES).map(({ type, data }) => ({ type, ...data }));
  await harness.close();
  return { decided, ended };
}

describe('rule 6: restarting any service at any moment loses nothing and repeats nothing that matters', () => {
  test('a run with restarts decides the same, at the same instants, with the same reasons, and ends the same', async () => {
    let moves = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const calm = await outcome(history, false);
        const restarted = await outcome(history, true);
        moves += calm.ended.length;
        expect(restarted.decided).toEqual(calm.decided);
        expect(restarted.ended).toEqual(calm.ended);
      }),
      { seed: SEED, numRuns: 100 },
    );
    expect(moves, 'histories in which nothing moves prove nothing').toBeGreaterThan(100);
  });
});
