/** What clients say of gaps in their traffic: checked, made pseudonymous, and put on the bus. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Data, type Event, envelop } from '#shared/events/index.ts';

/** What a client saw. `user` is the id the operator knows, not yet the pseudonym. */
export type Interruption = Data<'interruption.reported.v1'>;

/** What became of the interruptions of one call; `accepted + implausible = all of them`. */
export interface InterruptionReceipt {
  readonly accepted: number;
  /** Those whose end cannot be or is too old to matter, as it is with locations. */
  readonly implausible: Readonly<{ future?: number; stale?: number }>;
}

/** Makes the function that publishes interruptions. @throws TagalongError VM_UNKNOWN; nothing is published then */
export function createInterruptions(options: {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly config: IngestConfig;
  readonly source: string;
  readonly pseudonymOf: (user: string) => string;
  readonly isDeclared: (vm: string) => Promise<boolean>;
}): (list: readonly Interruption[]) => Promise<InterruptionReceipt> {
  const { bus, clock, config, source, pseudonymOf, isDeclared } = options;
  const { maxFutureMs, maxAgeMs } = config.plausibility;

  return async (list) => {
    for (const vm of new Set(list.map((one) => one.vm))) {
      if (!(await isDeclared(vm))) throw new TagalongError('VM_UNKNOWN', `no VM "${vm}" was declared`);
    }
    const nowMs = clock.now();
    const implausible: { future?: number; stale?: number } = {};
    const events: Event[] = [];
    for (const { user, ...rest } of list) {
      const fault = rest.atMs > nowMs + maxFutureMs ? 'future' : rest.atMs < nowMs - maxAgeMs ? 'stale' : undefined;
      if (fault === undefined) events.push(interruptionEvent({ user: pseudonymOf(user), ...rest }, source));
      else implausible[fault] = (implausible[fault] ?? 0) + 1;
    }
    if (events.length > 0) await bus.publish(events);
    return { accepted: events.length, implausible };
  };
}

/** All that was said is in the id: two clients of one user may see two gaps end at the same instant. */
function interruptionEvent(data: Interruption, source: string): Event {
  const { vm, user, atMs, gapMs, resets, lostBytes } = data;
  const id = `gap:${vm}:${user}:${atMs}:${gapMs}:${resets}:${lostBytes}`;
  return envelop({ type: 'interruption.reported.v1', data }, id, source);
}
