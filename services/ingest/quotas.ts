/**
 * How much one installation takes on: what is refused is said with the quota's name, its limit and the next step.
 *
 * How many there are is counted from the store once, and again where a quota seems to be used up: what other processes declare
 * meanwhile is not counted, so several of them can go past a quota by what they declare within a moment.
 */

import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';

/** Positions that one request may hold; who has more sends several. */
export const MAX_POSITIONS_PER_REQUEST = 1000;
/** Events that one request may become: as many as placement handles in a fraction of a second. */
export const MAX_EVENTS_PER_REQUEST = 10_000;
/** How old a count has to be to be made again. */
const COUNT_AGAIN_MS = 10_000;

/** @param next what can be done about it */
export function quotaExceeded(quota: string, limit: number, next: string): TagalongError {
  return new TagalongError('QUOTA_EXCEEDED', `${quota}: at most ${limit}; ${next}`);
}

/** Refuses what would go past a quota. Every method but `changed` throws TagalongError QUOTA_EXCEEDED. */
export interface Quotas {
  /** Before a VM is declared that is not there yet. */
  oneMoreVm(): Promise<void>;
  /** Before a user is attached to a VM whom it does not have yet. */
  oneMoreUser(vm: string): Promise<void>;
  /** @param sessions VMs that the user is attached to already */
  oneMoreSession(sessions: number): void;
  /** @param events that a request would become, counted before they are made */
  events(events: number): void;
  /** Keeps the counts up: 1 for one more, -1 for one less. */
  changed(what: { readonly vm: number } | { readonly usersOf: string; readonly by: number }): void;
}

/** @param count counts what is in the store */
export function createQuotas(
  quotas: IngestConfig['quotas'],
  clock: Clock,
  count: { readonly vms: () => Promise<number>; readonly usersByVm: () => Promise<Map<string, number>> },
): Quotas {
  const vms = counted(clock, count.vms);
  const users = counted(clock, count.usersByVm);
  return {
    async oneMoreVm() {
      const full = (n: number) => n >= quotas.vms;
      if (full(await vms.get(full)))
        throw quotaExceeded('ingest.quotas.vms', quotas.vms, 'retire VMs that are not used, or raise it');
    },
    async oneMoreUser(vm) {
      const full = (byVm: Map<string, number>) => (byVm.get(vm) ?? 0) >= quotas.usersPerVm;
      if (full(await users.get(full)))
        throw quotaExceeded('ingest.quotas.usersPerVm', quotas.usersPerVm, `detach users from ${vm}, or raise it`);
    },
    oneMoreSession(sessions) {
      const { sessionsPerUser } = quotas;
      if (sessions >= sessionsPerUser)
        throw quotaExceeded('ingest.quotas.sessionsPerUser', sessionsPerUser, 'detach the user from VMs, or raise it');
    },
    events(events) {
      if (events > MAX_EVENTS_PER_REQUEST)
        throw quotaExceeded(
          `events of a request (${events})`,
          MAX_EVENTS_PER_REQUEST,
          'send fewer positions at a time',
        );
    },
    changed(what) {
      if ('vm' in what) vms.edit((n) => n + what.vm);
      else users.edit((byVm) => byVm.set(what.usersOf, Math.max(0, (byVm.get(what.usersOf) ?? 0) + what.by)));
    },
  };
}

/** A count that is made when it is first asked for, and anew where it is `full` and not of just now. */
function counted<T>(clock: Clock, count: () => Promise<T>) {
  let value: Promise<T> | undefined;
  let madeAtMs = 0;
  const make = () => {
    madeAtMs = clock.now();
    const making = count();
    value = making;
    making.catch(() => {
      if (value === making) value = undefined;
    });
    return making;
  };
  return {
    async get(full: (value: T) => boolean): Promise<T> {
      const present = await (value ?? make());
      return full(present) && clock.now() - madeAtMs >= COUNT_AGAIN_MS ? make() : present;
    },
    /** Only where it was made: a count that is made later finds the change in the store. */
    edit(change: (value: T) => T): void {
      if (value !== undefined) value = value.then(change);
    },
  };
}
