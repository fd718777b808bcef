import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Config } from '#shared/config/schema.ts';
import { TERMINAL_TYPES } from '#shared/events/index.ts';
import { type Command, crash, hopping, inOrder, restart } from './commands.ts';
import { configFor, Harness, type HarnessOptions, type ProcessName, SEVERAL } from './harness.ts';
import { SEED } from './seed.ts';

interface Step {
  readonly command: Command;
  /** The stops and kills before the command. */
  readonly disturbed: readonly Command[];
}

const stepsOf = (command: fc.Arbitrary<Command>, disturbance: fc.Arbitrary<Command>) =>
  fc.array(fc.record<Step>({ command, disturbed: fc.array(disturbance, { maxLength: 1 }) }), {
    minLength: 10,
    maxLength: 50,
    size: 'max',
  });

/** Runs a history. @returns all decisions, and all ends of moves */
async function outcome(history: readonly Step[], isDisturbed: boolean, options: HarnessOptions = {}) {
  const harness = await Harness.create(options);
  for (const { command, disturbed } of history) {
    if (isDisturbed) for (const { run } of disturbed) await run(harness);
    await command.run(harness);
    // One millisecond between commands: the order of two VMs at one instant is not defined across partitions.
    await harness.pass(1);
  }
  await harness.finishMoves();
  const decided = harness.of('placement.decided.v1').map(({ data }) => data);
  const ended = harness.of(...TERMINAL_TYPES).map(({ type, data }) => ({ type, ...data }));
  await harness.close();
  return { decided, ended, ends: harness.ends };
}

/**
 * Sites and paths that are never full or busy, and moves that cost nothing. Then a placement decides the same without the moves
 * and the newest corrections of the others.
 */
function amplyConfigured(): Config {
  const { policy, sites, ...rest } = configFor({ movesPerSite: 100, movesPerPath: 100 });
  const faster = ({ provider, rateBps }: { provider: string; rateBps: number }) => ({
    provider,
    rateBps: 20 * rateBps,
  });
  return {
    ...rest,
    policy: { ...policy, priceUserMsPerGb: 0, slowdownUserMsPerS: 0 },
    sites: sites.map((site) => ({ ...site, uplinks: site.uplinks.map(faster) })),
  };
}

/** The part of decisions and ends that does not depend on the number of processes. */
const essence = ({ decided, ended }: Awaited<ReturnType<typeof outcome>>) => ({
  decided: decided
    .map(({ decision, atMs, verdict, from, to, reason, source }) => ({
      decision,
      atMs,
      verdict,
      from,
      to,
      reason,
      source,
    }))
    .toSorted((a, b) => (a.decision < b.decision ? -1 : 1)),
  ended: ended
    .map(({ type, migration, from, to, atMs }) => ({ type, migration, from, to, atMs }))
    .toSorted((a, b) => (a.migration < b.migration ? -1 : 1)),
});

describe('rule 6: restarting any service at any moment loses nothing and repeats no effect', {
  timeout: 120_000,
}, () => {
  const steps = stepsOf(inOrder, restart(fc.constantFrom<ProcessName>('placement', 'migrator'), fc.constant(0)));

  test('a run with restarts has the same decisions, instants, reasons and ends', async () => {
    let moves = 0;
    let disturbances = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const calm = await outcome(history, false);
        const restarted = await outcome(history, true);
        moves += calm.ended.length;
        disturbances += restarted.ends;
        expect(restarted.decided).toEqual(calm.decided);
        expect(restarted.ended).toEqual(calm.ended);
      }),
      { seed: SEED, numRuns: 100 },
    );
    expect(moves, 'most histories move a VM').toBeGreaterThan(100);
    expect(disturbances, 'most histories restart or kill a service').toBeGreaterThan(300);
  });

  const config = amplyConfigured();
  // One placement and one migrator start again at once, so that each service always has a process.
  const comesBack = fc.oneof(
    { arbitrary: restart(fc.constantFrom<ProcessName>('placement', 'migrator'), fc.constant(0)), weight: 1 },
    { arbitrary: crash(fc.constantFrom<ProcessName>('placement', 'migrator'), fc.constant(0)), weight: 2 },
    { arbitrary: restart(fc.constantFrom<ProcessName>('placement-2', 'placement-3', 'migrator-2')), weight: 1 },
    { arbitrary: crash(fc.constantFrom<ProcessName>('placement-2', 'placement-3', 'migrator-2')), weight: 2 },
  );

  test('three placements and two migrators that stop and die at any moment decide as one of each does', async () => {
    let moves = 0;
    let disturbances = 0;
    await fc.assert(
      fc.asyncProperty(stepsOf(hopping, comesBack), async (history) => {
        const one = await outcome(history, false, { config });
        const several = await outcome(history, true, { config, processes: SEVERAL });
        moves += one.ended.length;
        disturbances += several.ends;
        expect(essence(several)).toEqual(essence(one));
      }),
      { seed: SEED, numRuns: 100 },
    );
    expect(moves, 'most histories move a VM').toBeGreaterThan(100);
    expect(disturbances, 'most histories restart or kill a service').toBeGreaterThan(300);
  });
});
