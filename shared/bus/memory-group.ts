import { setImmediate as turn } from 'node:timers/promises';
import type { EventType } from '../events/index.ts';
import type { InFlight } from '../time/in-flight.ts';
import type { Delivery, Handler, Subscribe, Subscription } from './bus.ts';
import { PartitionQueue } from './partition-queue.ts';

/** The dependencies of a group. */
export interface Surroundings {
  readonly partitions: number;
  /** A break to wait for if the process has worked for long without one; else undefined. */
  breathe(): Promise<void> | undefined;
  /** Makes a dead letter of an event that has had its last attempt. */
  reject(delivery: Delivery, group: string, error: unknown): void;
  /** Counts the members that work off their partitions. */
  readonly members: InFlight;
}

interface Member {
  readonly handler: Handler;
  readonly assigned: Subscribe['assigned'];
  awake: boolean;
  /** The partition of the last batch, so that the partitions take turns. */
  partition: number;
  drained: Promise<void>;
}

/** A consumer group: one queue for each partition, and members that share them. The queues stay when the last member has left. */
export class MemoryGroup {
  readonly name: string;
  readonly queues: readonly PartitionQueue[];
  types: ReadonlySet<EventType> = new Set();
  /** True: the member that joined first has all partitions. */
  exclusive = false;
  readonly #bus: Surroundings;
  #members: Member[] = [];

  constructor(name: string, bus: Surroundings) {
    this.name = name;
    this.#bus = bus;
    this.queues = Array.from({ length: bus.partitions }, () => new PartitionQueue());
  }

  /** True if the group has no member. */
  get deserted(): boolean {
    return this.#members.length === 0;
  }

  /** Queues an event, and sets the owner of its partition to work. */
  add(delivery: Delivery): void {
    this.queues[delivery.partition]!.push(delivery);
    this.#wake(delivery.partition);
  }

  /** Puts `first` before the waiting events, and drops the waiting events for which `keep` returns false. */
  beginWith(first: readonly Delivery[], keep: (delivery: Delivery) => boolean): void {
    this.queues.forEach((queue, partition) => {
      queue.beginWith(
        first.filter((delivery) => delivery.partition === partition),
        keep,
      );
    });
  }

  /** Adds a member, and assigns the partitions anew. */
  join(handler: Handler, assigned: Subscribe['assigned']): Subscription {
    const member: Member = { handler, assigned, awake: false, partition: -1, drained: Promise.resolve() };
    this.#assign([...this.#members, member]);
    return {
      stop: async () => {
        this.#assign(this.#members.filter((other) => other !== member));
        await member.drained;
      },
    };
  }

  /** Resolves when no event waits any more, or the group has no member. */
  async caughtUp(): Promise<void> {
    while (!this.deserted && this.queues.some(({ size }) => size > 0)) await turn();
  }

  #assign(members: Member[]): void {
    this.#members = members;
    for (const member of members) {
      const partitions = [...this.queues.keys()].filter((partition) => this.#owner(partition) === member);
      member.assigned?.(partitions);
    }
    this.#wakeAll();
  }

  #owner(partition: number): Member | undefined {
    return this.#members[this.exclusive ? 0 : partition % this.#members.length];
  }

  #wakeAll(): void {
    for (let partition = 0; partition < this.queues.length; partition++) this.#wake(partition);
  }

  /** Starts the partition's owner, unless it is running or no event waits. */
  #wake(partition: number): void {
    const member = this.#owner(partition);
    if (member === undefined || member.awake || !this.queues[partition]!.ready) return;
    member.awake = true;
    this.#bus.members.begin();
    member.drained = this.#drain(member);
  }

  /** Hands the member one batch after the other until its partitions are empty. Never two at once. */
  async #drain(member: Member): Promise<void> {
    // A handler never runs inside the call that published.
    await undefined;
    for (let partition = this.#next(member); partition !== undefined; partition = this.#next(member)) {
      await this.#deliver(member, partition);
      // The partition may have a new owner, which could not take events from it while this batch was in hand.
      this.#wake(partition);
      const pause = this.#bus.breathe();
      if (pause !== undefined) await pause;
    }
    member.awake = false;
    this.#bus.members.end();
  }

  async #deliver(member: Member, partition: number): Promise<void> {
    const queue = this.queues[partition]!;
    try {
      await member.handler(queue.take());
      queue.acknowledge();
    } catch (error) {
      const last = queue.refuse();
      if (last !== undefined) this.#bus.reject(last, this.name, error);
    }
  }

  /** The next of the member's partitions with an event to hand out. */
  #next(member: Member): number | undefined {
    for (let step = 1; step <= this.queues.length; step++) {
      const partition = (member.partition + step) % this.queues.length;
      if (this.queues[partition]!.ready && this.#owner(partition) === member) {
        member.partition = partition;
        return partition;
      }
    }
    return undefined;
  }
}
