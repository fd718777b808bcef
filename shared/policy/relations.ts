/** Finds the VMs that must be evaluated because other VMs have changed. */
import { Peers } from './state/peers.ts';
import type { Vm } from './state/state.ts';

/** A VM to be evaluated, and the instant of what happened. */
interface Stirred {
  readonly vm: Vm;
  readonly atMs: number;
}

/** Owns the peers of one `Placement`, and the VMs that wait to be evaluated because of them. */
export class Relations {
  readonly peers: Peers;
  readonly #vms: ReadonlyMap<string, Vm>;
  /** Each VM that waits, and the instant of the last thing that happened to it. In order of the first. */
  readonly #stirred = new Map<Vm, number>();
  #isEvaluating = false;

  /** @param vms the VMs of this process */
  constructor(vms: ReadonlyMap<string, Vm>) {
    this.#vms = vms;
    this.peers = new Peers(vms);
  }

  /** Call after a VM has been declared or retired. */
  redeclared(vm: string, atMs: number): void {
    this.#stir(this.peers.update(vm), atMs);
  }

  /** Call when a move of a VM is ordered or called off, or has ended. */
  moved(vm: string, atMs: number): void {
    this.#stir(this.peers.relativesOf(vm), atMs);
  }

  /** Evaluates the VMs that wait, and those that their decisions stir, one after the other. A call from within an evaluation does nothing. */
  each(evaluate: (stirred: Stirred) => void): void {
    if (this.#stirred.size === 0 || this.#isEvaluating) return;
    this.#isEvaluating = true;
    try {
      // VMs that are added meanwhile come last.
      for (const [vm, atMs] of this.#stirred) {
        this.#stirred.delete(vm);
        if (this.#vms.get(vm.id) === vm) evaluate({ vm, atMs });
      }
    } finally {
      this.#isEvaluating = false;
    }
  }

  /** True if the process ended after the record of a related VM was written, and before this VM was evaluated because of that. */
  isBehind({ id, affinity, nowMs }: Vm): boolean {
    if (affinity === null) return false;
    return this.peers.relativesOf(id).some((name) => nowMs < changedAtMs(this.#vms.get(name)));
  }

  /** The VMs in their order, but those that follow a lead after all others: they go where it goes. */
  leadsFirst(vms: Iterable<Vm>): Vm[] {
    return [...vms].sort((a, b) => Number(this.#follows(a)) - Number(this.#follows(b)));
  }

  #follows(vm: Vm): boolean {
    return vm.affinity !== null && this.peers.leadOf(vm) !== undefined;
  }

  #stir(names: readonly string[], atMs: number): void {
    for (const name of names) {
      const vm = this.#vms.get(name);
      if (vm !== undefined) this.#stirred.set(vm, Math.max(atMs, this.#stirred.get(vm) ?? atMs));
    }
  }
}

/** When others were last evaluated because of this VM, or later. Infinity: it is gone, a lead that was retired, and nobody knows when. */
function changedAtMs(vm: Vm | undefined): number {
  if (vm === undefined) return Number.POSITIVE_INFINITY;
  const { declaredAtMs, movesAtMs, lastMove, context, nowMs } = vm;
  // No record has the time at which a move was called off.
  const calledOffAtMs = context.move?.cancelling ? nowMs : -1;
  return Math.max(declaredAtMs, movesAtMs.at(-1) ?? -1, lastMove?.atMs ?? -1, calledOffAtMs);
}
