/**
 * The stays that have ended at this process's VMs. They are kept with the VM until their period is over and its counts are published,
 * so that none is lost or counts twice when a process is killed.
 */
import { MAX_STAY_COUNTS, MAX_STAYS } from '../../events/bounds.ts';
import { partitionOf } from '../../events/index.ts';
import { type EndedStay, PERIOD_MS, periodOf, type StayBatch, type StayCount } from './forecast.ts';
import type { Vm } from './state.ts';
import { binOf } from './stay-curve.ts';

/** The stays of one VM in one period. */
export interface VmStays {
  readonly vm: string;
  readonly period: number;
  readonly stays: readonly EndedStay[];
}

/** The most stays kept for one VM. Users who come and go more often add nothing more in that period. */
export const MAX_ENDED_STAYS = 64;

const NONE: readonly VmStays[] = [];

/** Collects the stays that end. Owned by one `Placement`. */
export class EndedStays {
  readonly #vms = new Set<Vm>();
  #over: VmStays[] = [];
  #nowMs = Number.NEGATIVE_INFINITY;
  #periodEndMs = 0;

  /** The clock, as last seen. It never goes back. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** When the present period is over, in ms since the epoch; Infinity: no stay has ended in it. */
  get closesAtMs(): number {
    return this.#vms.size === 0 ? Number.POSITIVE_INFINITY : this.#periodEndMs;
  }

  /** Notes that the VM's best site ceases to be the best one. */
  note(vm: Vm, stayedMs: number): void {
    const period = periodOf(this.#nowMs);
    const present = vm.endedStays.filter((stay) => stay.period >= period);
    if (present.length < MAX_ENDED_STAYS) {
      present.push({ site: vm.best!, from: vm.cameBy, ms: Math.max(0, Math.round(stayedMs)), period });
    }
    vm.endedStays = present;
    this.#vms.add(vm);
  }

  /** Adds a VM that has been restored. Its stays of periods that are over are returned at once: `note` would forget them. */
  restore(vm: Vm): void {
    if (vm.endedStays.length === 0) return;
    this.#vms.add(vm);
    this.#collect(vm, periodOf(this.#nowMs));
  }

  /** Drops a VM. */
  forget(vm: Vm): void {
    this.#vms.delete(vm);
  }

  /** The stays of periods that are over, in order of the periods; each is returned once. */
  take(): readonly VmStays[] {
    if (this.#over.length === 0) return NONE;
    const over = this.#over;
    this.#over = [];
    return over.sort((a, b) => a.period - b.period);
  }

  /** Advances the clock. Call it before anything else that happens at an instant: a stay falls into the period in which it is noted. */
  advance(nowMs: number): void {
    if (nowMs <= this.#nowMs) return;
    this.#nowMs = nowMs;
    if (nowMs >= this.#periodEndMs) this.#close(nowMs);
  }

  #close(nowMs: number): void {
    const present = periodOf(nowMs);
    this.#periodEndMs = (present + 1) * PERIOD_MS;
    for (const vm of this.#vms) this.#collect(vm, present);
  }

  /** Adds the VM's stays of periods before the present one to those that are over. */
  #collect(vm: Vm, present: number): void {
    for (const [period, stays] of Map.groupBy(vm.endedStays, (stay) => stay.period)) {
      if (period < present) this.#over.push({ vm: vm.id, period, stays });
    }
    if (vm.endedStays.every(({ period }) => period < present)) this.#vms.delete(vm);
  }
}

/** Counts the stays of VMs by partition and period; live and simulated alike, because a batch holds a limited number of counts. */
export function batchesOf(stays: readonly VmStays[], partitions: number): StayBatch[] {
  return [...Map.groupBy(stays, ({ vm }) => partitionOf(vm, partitions))].flatMap(([partition, all]) =>
    [...Map.groupBy(all, ({ period }) => period)].map(([period, of]) => batchOf(partition, period, of)),
  );
}

/** Counts the stays of VMs of one partition. @param all of one period */
function batchOf(partition: number, period: number, all: readonly VmStays[]): StayBatch {
  const counts = new Map<string, StayCount>();
  for (const one of all) {
    for (const { site, from, ms } of one.stays) {
      const bin = binOf(ms);
      const key = JSON.stringify([site, from, bin]);
      const stays = Math.min(MAX_STAYS, (counts.get(key)?.stays ?? 0) + 1);
      counts.set(key, { site, ...(from !== null && { from }), bin, stays });
    }
  }
  // The same order whichever order the VMs have: a batch that is made again has to be the same.
  const most = [...counts].sort(([key, a], [other, b]) => b.stays - a.stays || (key < other ? -1 : 1));
  return { partition, period, counts: most.slice(0, MAX_STAY_COUNTS).map(([, count]) => count) };
}
