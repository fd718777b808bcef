/**
 * VMs that are set aside: nothing is decided about them, and everything else goes on.
 *
 * A VM whose record cannot be read stays aside until somebody has mended the record and the process loads it. A VM whose change
 * was refused is taken up again, as its record has it, with the next event that is more than a position, or after a while. What
 * such an event said and was not taken is a dead letter, so that it can be sent again.
 */
import type { Bus, Delivery } from '#shared/bus/bus.ts';
import { deadLetter } from '#shared/bus/dead-letter.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Event } from '#shared/events/index.ts';
import { VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import type { SetAside, SetAsideRecord } from '#shared/store/set-aside.ts';

/** A VM whose change was refused is taken up again with a position after this. */
const TRY_AGAIN_MS = 600_000;

export interface QuarantineParts {
  readonly bus: Bus;
  readonly setAside: SetAside;
  /** The whole key of a VM's record. */
  readonly keyOf: (vm: string) => string;
  /** Puts a VM back into the core as its record has it, where it can be read. */
  readonly restore: (vm: string) => Promise<void>;
  /** Drops a VM from the core. */
  readonly forget: (vm: string) => void;
  /** Gives an event to the core. */
  readonly apply: (event: Event) => void;
}

export class Quarantine {
  readonly #parts: QuarantineParts;
  #batch: readonly Delivery[] = [];
  #waiting: Event[] = [];
  #letters: Event[] = [];

  constructor(parts: QuarantineParts) {
    this.#parts = parts;
  }

  holds(vm: string): boolean {
    return this.#of(vm) !== undefined;
  }

  #of(vm: string): SetAsideRecord | undefined {
    const { setAside, keyOf } = this.#parts;
    return setAside.size === 0 ? undefined : setAside.get(keyOf(vm));
  }

  /** A batch is given to the core now; what it says of a VM that is refused is remembered until the next one. */
  begin(batch: readonly Delivery[]): void {
    this.#batch = batch;
  }

  /** True: the event is not for the core, or not yet. */
  keeps(event: Event, nowMs: number): boolean {
    const aside = 'vm' in event.data ? this.#of(event.data.vm) : undefined;
    if (aside === undefined) return false;
    const isPosition = event.type === 'location.reported.v1';
    if (aside.code === VM_RECORD_UNREADABLE) {
      if (!isPosition) this.#reject(event, new TagalongError(VM_RECORD_UNREADABLE, aside.reason));
    } else if (!isPosition || nowMs >= aside.sinceMs + TRY_AGAIN_MS) this.#waiting.push(event);
    return true;
  }

  /** Takes up the VMs that something was said of, and gives the core what was said. */
  async takeUp(): Promise<void> {
    for (const event of this.#waiting.splice(0)) {
      const { vm } = event.data as { readonly vm: string };
      if (this.holds(vm)) await this.#parts.restore(vm);
      this.#parts.apply(event);
    }
  }

  /** A change of a VM could not be written. */
  refuse(vm: string, error: TagalongError): void {
    const { setAside, keyOf, forget } = this.#parts;
    forget(vm);
    setAside.add(VM_RECORD, keyOf(vm), error);
    for (const { event } of this.#batch) {
      const isItsOwn = 'vm' in event.data && event.data.vm === vm;
      if (isItsOwn && event.type !== 'location.reported.v1') this.#reject(event, error);
    }
  }

  /** Publishes what was not taken. */
  async sayLetters(): Promise<void> {
    if (this.#letters.length > 0) await this.#parts.bus.publish(this.#letters);
    this.#letters = [];
    this.#batch = [];
  }

  /** @throws TagalongError STORE_RECORD_UNREADABLE, VM_SET_ASIDE */
  refuseOrders(vm: string): void {
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

  #reject(event: Event, error: TagalongError): void {
    const letter = deadLetter(event, 'placement', error);
    if (letter !== undefined) this.#letters.push(letter);
  }
}

const VM_RECORD_UNREADABLE = 'STORE_RECORD_UNREADABLE';
