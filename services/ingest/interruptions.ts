/** What clients say of gaps in their traffic: checked, made pseudonymous, and put on the bus. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Data, type Event, envelop } from '#shared/events/index.ts';

/** What a client saw. `user` is the id the operator knows, not yet the pseudonym. */
export type Interruption = Data<'interruption.reported.v1'>;

/** What became of the interruptions of one call; `accepted + implausible + unattached = all of them`. */
export interface InterruptionReceipt {
  readonly accepted: number;
  /** Those whose end cannot be or is too old to matter, as it is with locations. */
  readonly implausible: Readonly<{ future?: number; stale?: number }>;
  /** Those of users who are not attached to the VM: what they saw was not this VM's. */
  readonly unattached: number;
}

/** Makes the function that publishes interruptions. @throws TagalongError VM_UNKNOWN; nothing is published then */
export function createInterruptions(options: {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly config: IngestConfig;
  readonly source: string;
  readonly pseudonymOf: (user: string) => string;
  readonly isDeclared: (vm: string) => Promise<boolean>;
  readonly vmsOf: (users: Iterable<string>) => Promise<ReadonlyMap<string, readonly string[]>>;
}): (list: readonly Interruption[]) => Promise<InterruptionReceipt> {
  const { bus, clock, config, source, pseudonymOf, isDeclared, vmsOf } = options;
  const { maxFutureMs, maxAgeMs } = config.plausibility;

  return async (list) => {
    for (const vm of new Set(list.map((one) => one.vm))) {
      if (!(await isDeclared(vm)))
        throw new TagalongError('VM_UNKNOWN', `no VM "${vm}" is declared; declare it with PUT /v1/vms/${vm}`);
    }
    const nowMs = clock.now();
    const attached = await vmsOf(list.map(({ user }) => pseudonymOf(user)));
    let unattached = 0;
    const implausible: { future?: number; stale?: number } = {};
    const events: Event[] = [];
    for (const one of list) {
      const { vm, atMs } = one;
      const user = pseudonymOf(one.user);
      const fault = atMs > nowMs + maxFutureMs ? 'future' : atMs < nowMs - maxAgeMs ? 'stale' : undefined;
      if (fault !== undefined) implausible[fault] = (implausible[fault] ?? 0) + 1;
      else if (!attached.get(user)?.includes(vm)) unattached++;
      else events.push(interruptionEvent({ ...one, user }, source));
    }
    if (events.length > 0) await bus.publish(events);
    return { accepted: events.length, implausible, unattached };
  };
}

/** All that was said is in the id: two clients of one user may see two gaps end at the same instant. */
function interruptionEvent(data: Interruption, source: string): Event {
  const { vm, user, atMs, gapMs, resets, lostBytes } = data;
  const id = `gap:${vm}:${user}:${atMs}:${gapMs}:${resets}:${lostBytes}`;
  return envelop({ type: 'interruption.reported.v1', data }, id, source);
}
