/**
 * VMs that are set aside: nothing is decided about them, and all others go on.
 *
 * A VM whose record cannot be read stays aside until somebody has mended the record and the process loads it. A VM whose change
 * was refused is taken up again, as its record has it, with the next event that is more than a position, or after a while. An event
 * that was refused becomes a dead letter, so that it can be sent again.
 */
import type { Bus, Delivery } from '#shared/bus/bus.ts';
import { deadLetter } from '#shared/bus/dead-letter.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Event } from '#shared/events/index.ts';
import type { Placement } from '#shared/policy/placement.ts';
import { type KeptVm, reviveVm, VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import type { SetAside, SetAsideRecord } from '#shared/store/set-aside.ts';
import type { Outbox } from '../runtime/outbox.ts';

/** A VM whose change was refused is taken up again with a position after this. */
const TRY_AGAIN_MS = 600_000;
const VM_RECORD_UNREADABLE = 'STORE_RECORD_UNREADABLE';

/** The dependencies of a quarantine. */
export interface QuarantineOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly setAside: SetAside;
  /** The records of VMs. */
  readonly outbox: Outbox<KeptVm>;
  /** Begins the keys of these records. */
  readonly prefix: string;
  /** The rest of the key of a VM's record. */
  readonly keyOf: (vm: string) => string;
}

/** The VMs of one placement that are set aside. It writes nothing; it publishes dead letters. */
export class Quarantine {
  readonly #options: QuarantineOptions;
  #batch: readonly Delivery[] = [];
  #deadLetters: Event[] = [];

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** True: the VM is set aside. */
  holds(vm: string): boolean {
    return this.#of(vm) !== undefined;
  }

  /**
   * The deliveries of a batch that the core gets. A VM that an event takes up again is restored before; its event comes last.
   * @throws what the store throws
   */
  admit(batch: readonly Delivery[], core: Placement): readonly Delivery[] | Promise<readonly Delivery[]> {
    this.#batch = batch;
    return this.#options.setAside.size === 0 ? batch : this.#admitSome(batch, core);
  }

  async #admitSome(batch: readonly Delivery[], core: Placement): Promise<readonly Delivery[]> {
    const { clock, outbox, keyOf } = this.#options;
    const nowMs = Math.round(clock.now());
    const admitted: Delivery[] = [];
    const takenUp: Delivery[] = [];
    for (const delivery of batch) {
      const { event } = delivery;
      const aside = 'vm' in event.data ? this.#of(event.data.vm) : undefined;
      if (aside === undefined) admitted.push(delivery);
      else if (this.#takesUp(event, aside, nowMs)) takenUp.push(delivery);
    }
    for (const { event } of takenUp) {
      const { vm } = event.data as { readonly vm: string };
      const kept = this.holds(vm) ? await outbox.reload(keyOf(vm)) : undefined;
      if (kept !== undefined) core.restore(reviveVm(kept, core.sites));
    }
    return [...admitted, ...takenUp];
  }

  /** True: the event takes its VM up again. An event of a VM whose record cannot be read becomes a dead letter. */
  #takesUp(event: Event, aside: SetAsideRecord, nowMs: number): boolean {
    const isPosition = event.type === 'location.reported.v1';
    if (aside.code !== VM_RECORD_UNREADABLE) return !isPosition || nowMs >= aside.sinceMs + TRY_AGAIN_MS;
    if (!isPosition) this.#reject(event, new TagalongError(VM_RECORD_UNREADABLE, aside.reason));
    return false;
  }

  /** A change of a VM could not be written: the core forgets the VM, and the events that caused the change are rejected. */
  refuse(vm: string, error: TagalongError, core: Placement): void {
    core.forget(vm);
    this.#options.setAside.add(VM_RECORD, this.#keyOf(vm), error);
    for (const { event } of this.#batch) {
      const isItsOwn = 'vm' in event.data && event.data.vm === vm;
      if (isItsOwn && event.type !== 'location.reported.v1') this.#reject(event, error);
    }
  }

  /** Publishes the events that were rejected since the last call. */
  async publishDeadLetters(): Promise<void> {
    if (this.#deadLetters.length > 0) await this.#options.bus.publish(this.#deadLetters);
    this.#deadLetters = [];
    this.#batch = [];
  }

  /**
   * Refuses a request of an operator about a VM that is set aside.
   * @throws TagalongError STORE_RECORD_UNREADABLE, VM_SET_ASIDE
   */
  refuseSetAside(vm: string): void {
    const aside = this.#of(vm);
    if (aside === undefined) return;
    const { code, reason, key } = aside;
    if (code === VM_RECORD_UNREADABLE) {
      const next = 'mend or delete the record, then restart placement: deploy/UPGRADE.md has how';
      throw new TagalongError(
        VM_RECORD_UNREADABLE,
        `${vm} is set aside, its record ${key} cannot be read (${reason}); ${next}`,
      );
    }
    const next = 'declare it again with other figures, or restart placement';
    throw new TagalongError(
      'VM_SET_ASIDE',
      `${vm} is set aside, its last change was refused (${code}: ${reason}); ${next}`,
    );
  }

  #of(vm: string): SetAsideRecord | undefined {
    const { setAside } = this.#options;
    return setAside.size === 0 ? undefined : setAside.get(this.#keyOf(vm));
  }

  #keyOf(vm: string): string {
    return this.#options.prefix + this.#options.keyOf(vm);
  }

  #reject(event: Event, error: TagalongError): void {
    const letter = deadLetter(event, 'placement', error);
    if (letter !== undefined) this.#deadLetters.push(letter);
  }
}
