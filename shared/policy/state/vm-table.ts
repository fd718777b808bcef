/** The declared VMs and their sessions. Late and repeated facts change nothing. */

import { TagalongError } from '../../errors.ts';
import { MAX_DETACHED_KEPT, MAX_USERS_PER_VM } from '../../events/bounds.ts';
import type { Data, FactOf } from '../../events/index.ts';
import { counted } from '../../format.ts';
import { seqOfDecision } from '../../migration/migration.ts';
import { newDwellTimes } from './dwell-times.ts';
import type { SiteTable } from './sites.ts';
import type { Session, Vm } from './state.ts';
import { newSession, whyUnpopulated } from './vm.ts';
import { type MoveUnderWay, newVmContext } from './vm-context.ts';

const HOUR_MS = 3_600_000;
/** The moves of a VM that has not moved: shared, and replaced by the first move. */
const NO_MOVES: readonly number[] = [];

/** A retired VM. A new VM of the same name continues its numbering of decisions. */
interface Departed {
  readonly seq: number;
  readonly atMs: number;
}

/** Owns the VMs of this process with their sessions, and the last decision numbers of retired VMs. */
export class VmTable {
  readonly vms = new Map<string, Vm>();
  readonly #departed = new Map<string, Departed>();
  readonly #sites: SiteTable;
  readonly #priorStayMs: number;

  constructor(sites: SiteTable, priorStayMs: number) {
    this.#sites = sites;
    this.#priorStayMs = priorStayMs;
  }

  /** Adds a VM. Of a retired VM it stores only the number of the last decision. */
  add(vm: Vm): void {
    if (vm.retired) {
      this.#departed.set(vm.id, { seq: vm.context.seq, atMs: vm.nowMs });
      return;
    }
    this.vms.set(vm.id, vm);
    vm.home.homes.add(vm);
    // Earlier versions stored `nobody-attached` for every idle VM.
    if (vm.state === 'idle') vm.reason = whyUnpopulated(vm);
  }

  /** Removes a VM, and the number of its last decision. @returns the VM; undefined if it was not in the table */
  forget(id: string): Vm | undefined {
    const vm = this.vms.get(id);
    vm?.home.homes.delete(vm);
    this.vms.delete(id);
    this.#departed.delete(id);
    return vm;
  }

  /** True if the id is that of a decision on this VM, even if the VM is retired. */
  hasDecided(id: string, decision: string): boolean {
    const seq = this.vms.get(id)?.context.seq ?? this.#departed.get(id)?.seq ?? 0;
    const number = seqOfDecision(id, decision);
    return number !== undefined && number <= seq;
  }

  /** The VM of that name. @throws TagalongError VM_UNKNOWN */
  known(id: string): Vm {
    const vm = this.vms.get(id);
    if (vm === undefined)
      throw new TagalongError(
        'VM_UNKNOWN',
        `no VM "${id}" is declared; "tagalong status" lists the ${counted(this.vms.size, 'VM')} here, PUT /v1/vms/${id} declares one`,
      );
    return vm;
  }

  /** Applies a fact about VMs or sessions. @returns the VM that changed; undefined: nothing changed */
  apply(
    fact: FactOf<'session.attached.v1' | 'session.detached.v1' | 'vm.declared.v1' | 'vm.retired.v1'>,
  ): Vm | undefined {
    switch (fact.type) {
      case 'vm.declared.v1':
        return this.#declare(fact.data);
      case 'vm.retired.v1':
        return this.#retire(fact.data);
      case 'session.attached.v1':
        return this.#attach(fact.data);
      case 'session.detached.v1':
        return this.#detach(fact.data);
    }
  }

  /** Removes a user, and what the VMs remember of former sessions. @returns the VMs that changed, and those that lost a session */
  erase(user: string): { readonly changed: readonly Vm[]; readonly left: readonly Vm[] } {
    const [changed, left]: [Vm[], Vm[]] = [[], []];
    for (const vm of this.vms.values()) {
      const session = sessionOf(vm, user);
      if (session === undefined && !Object.hasOwn(vm.detachedAtMs, user)) continue;
      delete vm.detachedAtMs[user];
      changed.push(vm);
      if (session === undefined) continue;
      vm.sessions.splice(vm.sessions.indexOf(session), 1);
      left.push(vm);
    }
    return { changed, left };
  }

  /**
   * Changes the move under way of one of these VMs.
   * @returns the VM; undefined: the move is that of another process, or has ended
   */
  changeMove(decision: string, change: Partial<MoveUnderWay>): Vm | undefined {
    const vm = this.vms.get(decision.slice(0, decision.lastIndexOf(':')));
    const move = vm?.context.move;
    if (vm === undefined || move?.decision !== decision) return undefined;
    vm.context = { ...vm.context, move: { ...move, ...change } };
    return vm;
  }

  /** Changes the home of a VM. */
  rehome(vm: Vm, site: string): void {
    if (vm.home.id === site) return;
    vm.home.homes.delete(vm);
    vm.home = this.#sites.named(site);
    vm.home.homes.add(vm);
  }

  #declare({ vm: id, atMs, home, spec, affinity }: Data<'vm.declared.v1'>): Vm | undefined {
    const known = this.vms.get(id);
    if (known !== undefined) {
      // The home stays: this table knows the present site better than the sender of a repeated declaration.
      if (atMs <= known.declaredAtMs) return undefined;
      known.declaredAtMs = atMs;
      known.spec = spec;
      known.affinity = affinity ?? null;
      known.quietKm = -1;
      return known;
    }
    const departed = this.#departed.get(id);
    if (departed !== undefined && atMs <= departed.atMs) return undefined;
    const vm: Vm = {
      id,
      spec,
      declaredAtMs: atMs,
      affinity: affinity ?? null,
      home: this.#sites.named(home),
      state: 'idle',
      context: newVmContext(id, departed?.seq ?? 0),
      sessions: [],
      nowMs: atMs,
      wakeAtMs: Number.POSITIVE_INFINITY,
      recheckAtMs: Number.POSITIVE_INFINITY,
      quietKm: -1,
      best: null,
      bestSinceMs: atMs,
      cameBy: null,
      endedStays: [],
      dwellTimes: newDwellTimes(this.#priorStayMs),
      memory: null,
      reason: 'nobody-attached',
      cameFrom: null,
      lastMove: null,
      movesAtMs: NO_MOVES,
      detachedAtMs: {},
      retired: false,
      changed: false,
    };
    this.add(vm);
    return vm;
  }

  #retire({ vm: id, atMs }: Data<'vm.retired.v1'>): Vm | undefined {
    const vm = this.vms.get(id);
    if (vm === undefined || atMs < vm.declaredAtMs) return undefined;
    this.vms.delete(id);
    vm.home.homes.delete(vm);
    vm.retired = true;
    vm.sessions = [];
    vm.nowMs = Math.max(vm.nowMs, atMs);
    this.#departed.set(id, { seq: vm.context.seq, atMs: vm.nowMs });
    return vm;
  }

  #attach({ vm: id, user, weight, atMs }: Data<'session.attached.v1'>): Vm | undefined {
    const vm = this.vms.get(id);
    if (vm === undefined) return undefined;
    const { detachedAtMs } = vm;
    if (Object.hasOwn(detachedAtMs, user) && atMs < detachedAtMs[user]!) return undefined;
    const known = sessionOf(vm, user);
    if (known?.weight === weight) return undefined;
    // Ingest refuses such a user with an error. This check bounds the record whoever published the event.
    if (known === undefined && vm.sessions.length >= MAX_USERS_PER_VM) return undefined;
    // Most VMs have one user. `push` and spreading would reserve room for 16 more.
    if (known === undefined) vm.sessions = vm.sessions.concat(newSession(user, weight, atMs));
    else known.weight = weight;
    delete detachedAtMs[user];
    vm.quietKm = -1;
    if (vm.state === 'idle') vm.reason = whyUnpopulated(vm);
    return vm;
  }

  #detach({ vm: id, user, atMs }: Data<'session.detached.v1'>): Vm | undefined {
    const vm = this.vms.get(id);
    const session = vm && sessionOf(vm, user);
    if (vm === undefined || session === undefined || atMs < session.attachedAtMs) return undefined;
    vm.sessions.splice(vm.sessions.indexOf(session), 1);
    // Detachments are stored for an hour: longer than an old `attached` can be delayed.
    for (const other in vm.detachedAtMs) if (vm.detachedAtMs[other]! < atMs - HOUR_MS) delete vm.detachedAtMs[other];
    vm.detachedAtMs[user] = atMs;
    const users = Object.keys(vm.detachedAtMs);
    if (users.length > MAX_DETACHED_KEPT) delete vm.detachedAtMs[users[0]!];
    return vm;
  }
}

/** The session of one user of a VM. VMs have a handful of users, so a scan is faster than a map. */
export function sessionOf(vm: Vm, user: string): Session | undefined {
  const { sessions } = vm;
  for (let i = 0; i < sessions.length; i++) if (sessions[i]!.user === user) return sessions[i];
  return undefined;
}
