/**
 * Quotas: the most VMs, users and sessions of one installation. An error names the quota, its limit and the next step.
 *
 * Each process counts the records in the store once, and again where a quota seems to be used up. It does not see what other
 * processes declare in between, so several processes together can exceed a quota a little.
 */

import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';

/** The most positions in one request. */
export const MAX_POSITIONS_PER_REQUEST = 1000;
/** The most events that one request may cause: placement handles as many in a fraction of a second. */
export const MAX_EVENTS_PER_REQUEST = 10_000;
/** The age from which a count is made again. */
const COUNT_AGAIN_MS = 10_000;

/** The error of a used-up quota. @param next the next step for the operator */
export function quotaExceeded(quota: string, limit: number, next: string): TagalongError {
  return new TagalongError('QUOTA_EXCEEDED', `${quota}: at most ${limit}; ${next}`);
}

/** Enforces the quotas. Every method but `changed` throws TagalongError QUOTA_EXCEEDED. */
export interface Quotas {
  /** Call before a new VM is declared. */
  oneMoreVm(): Promise<void>;
  /** Call before a new user is attached to a VM. */
  oneMoreUser(vm: string): Promise<void>;
  /** @param sessions the number of VMs that the user is attached to already */
  oneMoreSession(sessions: number): void;
  /** @param events the number of events that a request would cause; checked before they are made */
  events(events: number): void;
  /** Updates the counts: 1 for one more, -1 for one less. */
  changed(what: { readonly vm: number } | { readonly usersOf: string; readonly by: number }): void;
}

/** @param count counts the records in the store */
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

/** A count that is made at its first use. It is made again where it is `full` and older than {@link COUNT_AGAIN_MS}. */
export function counted<T>(clock: Clock, count: () => Promise<T>) {
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
    /** Changes an existing count only: a count that is made later includes the change, because the store has it. */
    edit(change: (value: T) => T): void {
      if (value !== undefined) value = value.then(change);
    },
  };
}
