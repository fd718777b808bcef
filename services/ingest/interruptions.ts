/** Validates the gaps that clients report in their traffic, replaces user ids by pseudonyms, and publishes the gaps. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { type Data, type Event, envelop } from '#shared/events/index.ts';
import type { Attachments } from './attachments.ts';
import { refuseOverload } from './backlog.ts';
import { SOURCE } from './facts.ts';
import { unknownVm } from './vm-record.ts';

/** A gap that a client reports. `user` is the operator's id of the user, not the pseudonym. */
export type Interruption = Data<'interruption.reported.v1'>;

/** The result of one call; `accepted + implausible + unattached` is the number of its interruptions. */
export interface InterruptionReceipt {
  readonly accepted: number;
  /** Interruptions that end in the future, or ended too long ago. The limits are those of locations. */
  readonly implausible: Readonly<{ future?: number; stale?: number }>;
  /** Interruptions of users who are not attached to the VM. */
  readonly unattached: number;
}

/** Makes the function that publishes interruptions. @throws TagalongError BUS_OVERLOADED, VM_UNKNOWN; nothing is published then */
export function createInterruptions(options: {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly config: IngestConfig;
  readonly pseudonymOf: (user: string) => string;
  readonly isDeclared: (vm: string) => Promise<boolean>;
  readonly attachments: Attachments;
}): (list: readonly Interruption[]) => Promise<InterruptionReceipt> {
  const { bus, clock, config, pseudonymOf, isDeclared, attachments } = options;
  const { maxFutureMs, maxAgeMs } = config.plausibility;

  return async (list) => {
    refuseOverload(bus, list.length);
    for (const vm of new Set(list.map((one) => one.vm))) {
      if (!(await isDeclared(vm))) throw unknownVm(vm);
    }
    const nowMs = clock.now();
    const attached = await attachments.loadAll(list.map(({ user }) => pseudonymOf(user)));
    let unattached = 0;
    const implausible: { future?: number; stale?: number } = {};
    const events: Event[] = [];
    for (const one of list) {
      const { vm, atMs } = one;
      const user = pseudonymOf(one.user);
      const fault = atMs > nowMs + maxFutureMs ? 'future' : atMs < nowMs - maxAgeMs ? 'stale' : undefined;
      if (fault !== undefined) implausible[fault] = (implausible[fault] ?? 0) + 1;
      else if (!attached.get(user)?.includes(vm)) unattached++;
      else events.push(interruptionEvent({ ...one, user }));
    }
    if (events.length > 0) await bus.publish(events);
    return { accepted: events.length, implausible, unattached };
  };
}

/** The id covers all fields: two clients of one user may report different gaps that end at the same instant. */
function interruptionEvent(data: Interruption): Event {
  const { vm, user, atMs, gapMs, resets, lostBytes } = data;
  const id = `gap:${vm}:${user}:${atMs}:${gapMs}:${resets}:${lostBytes}`;
  return envelop({ type: 'interruption.reported.v1', data }, id, SOURCE);
}
