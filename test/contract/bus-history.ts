/** Random histories for the bus contract: members join and leave, publishers publish, handlers refuse events. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { type Bus, type Handler, MAX_ATTEMPTS, type Subscription } from '#shared/bus/bus.ts';
import { locationOf, Recorder } from './bus-events.ts';

/** The steps of a history, and the refusals of its handlers. */
export interface History {
  readonly steps: readonly Step[];
  /** How often the handlers refuse the n-th event before they accept it. */
  readonly refusals: readonly number[];
}
type Step =
  | { readonly kind: 'publish'; readonly keys: readonly number[]; readonly repeat: boolean }
  | { readonly kind: 'join' | 'leave'; readonly group: 0 | 1 };

/** Random histories of a bus with two groups. */
export const histories: fc.Arbitrary<History> = fc.record({
  steps: fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('publish' as const),
          keys: fc.array(fc.nat(5), { maxLength: 12 }),
          repeat: fc.boolean(),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom('join' as const, 'leave' as const),
          group: fc.constantFrom(0 as const, 1 as const),
        }),
      },
    ),
    { maxLength: 25 },
  ),
  refusals: fc.array(fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(MAX_ATTEMPTS - 1)), { minLength: 1 }),
});

/**
 * Plays a history, settles, and asserts that each group has handled each event, and the events of a key in the order of
 * publication. A group may handle an event twice.
 */
export async function play(bus: Bus, settle: () => Promise<void>, { steps, refusals }: History): Promise<void> {
  const published = new Map<string, number[]>();
  const taken = [new Recorder(), new Recorder()] as const;
  const members: [Subscription[], Subscription[]] = [[], []];
  const join = async (group: 0 | 1) => {
    const handler: Handler = async (batch) => {
      await new Promise(setImmediate);
      if (batch.some(({ event, attempt }) => attempt <= refusals[event.data.atMs % refusals.length]!)) {
        throw new Error('refused');
      }
      await taken[group].handler(batch);
    };
    members[group].push(await bus.subscribe({ group: `g${group}`, types: ['location.reported.v1'] }, handler));
  };
  await join(0);
  await join(1);
  let n = 0;
  for (const step of steps) {
    if (step.kind === 'join') await join(step.group);
    // Not awaited: the other members go on while this one finishes its batch.
    if (step.kind === 'leave') void members[step.group].shift()?.stop();
    if (step.kind !== 'publish') continue;
    const events = step.keys.map((key) => locationOf(`vm-${key}`, n++));
    for (const { data } of events) published.set(data.vm, [...(published.get(data.vm) ?? []), data.atMs]);
    await bus.publish(events);
    if (step.repeat) await bus.publish(events);
  }
  await Promise.all(([0, 1] as const).filter((group) => members[group].length === 0).map(join));
  await settle();
  for (const recorder of taken) {
    for (const [vm, order] of published) expect([...new Set(recorder.of(vm))]).toEqual(order);
  }
}
