/**
 * Advances the clocks of several service processes together. Before the clocks go on to the next instant, everything that the
 * present instant causes has happened: every group has handled every event, every process is idle, every partition has an owner.
 *
 * The conductor knows this without asking the bus. Each process announces the events that it is about to publish, and reports the
 * events that it has handled, in this order. Nothing is in progress if no event was outstanding when the conductor asked all
 * processes, and if no process sent any other message before all of them had answered that they are idle.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { VirtualClock } from '#shared/clock/virtual.ts';
import type { Event, EventType } from '#shared/events/index.ts';
import { Activity, SILENT_MS, stuck } from './activity.ts';
import type { SharedHosts } from './hosts.ts';
import type { Member } from './member.ts';
import { Members } from './members.ts';
import { Outstanding } from './outstanding.ts';
import { receive } from './receive.ts';

/** The clock that a conductor shares with its followers, and these processes. */
export interface ConductorOptions {
  /** The common clock. The caller advances it, and awaits `settle` after each callback and at the end. */
  readonly clock: VirtualClock;
  readonly hosts: SharedHosts;
  /** The names of all processes; the part before the dash is the service. */
  readonly names: readonly string[];
  readonly partitions: number;
  /** False: the callbacks of this process's clock do not run any more, not even those that are due now. */
  readonly mayStep: (name: string) => boolean;
}

const OBSERVER = 'conductor';
/** If a new process has not handled an event after this time, the event was published before the process subscribed. */
const NEWCOMER_MS = 300;
/** The conductor asks for the owners of partitions so often while these change. */
const PARTITIONS_MS = 10;

/** Holds the common time, from `open` to `close`. */
export class Conductor {
  readonly #options: ConductorOptions;
  readonly #outstanding = new Outstanding();
  readonly #members: Members;
  /** Processes that have connected since everything was last at rest. */
  readonly #newcomers = new Set<string>();
  readonly #wakeAt: (atMs: number | undefined) => void;
  readonly #activity = new Activity();
  /** The number of activities and the time when everything was last at rest. */
  #rested = { activities: -1, atMs: Number.NEGATIVE_INFINITY };
  /** Counts the instants at which everything was at rest. */
  instants = 0;

  constructor(options: ConductorOptions) {
    this.#options = options;
    this.#members = new Members({
      names: options.names,
      nowMs: () => this.#nowMs,
      joined: ({ name }) => this.#newcomers.add(name),
      received: (member, message) => {
        receive(member, message, { outstanding: this.#outstanding, hosts: options.hosts });
        this.#activity.note();
      },
      ended: ({ name }) => this.#processEnded(name),
    });
    // This callback only ends the rest. `settle` runs the callbacks that are due in the processes.
    this.#wakeAt = alarm(options.clock, () => this.#activity.note());
  }

  /** Begins to listen, on the loopback. */
  open(): Promise<void> {
    return this.#members.open();
  }

  /** The address of the clock for the process of this name. */
  address(name: string): string {
    return this.#members.address(name);
  }

  /** The addresses of the HTTP servers of a service's processes. */
  urls(service: string): string[] {
    return this.#members.of(service).flatMap(({ url }) => url || []);
  }

  /** Subscribes to a bus as one more group that `settle` waits for. */
  async observe(bus: Bus, types: readonly EventType[], receive: (event: Event) => void): Promise<void> {
    await bus.subscribe({ group: OBSERVER, types, latest: true }, async (batch) => {
      for (const { event } of batch) {
        receive(event);
        this.#outstanding.handled(OBSERVER, OBSERVER, event.id);
      }
      this.#activity.note();
    });
    this.#outstanding.subscribed(OBSERVER, types, OBSERVER);
  }

  /** Call this before a request to a process: the process may no longer be idle after it. @throws the error of `fail` */
  noteRequest(): void {
    this.#activity.note();
    this.#activity.throwFailure();
  }

  /** Ends the waiting in `settle`, which throws the error. */
  fail(error: unknown): void {
    this.#activity.fail(error);
  }

  /** Sends the time to all processes. Resolves when all have it. */
  async sendTime(): Promise<void> {
    while (!this.#members.all.every(({ nowMs }) => nowMs === this.#nowMs)) await this.#allIdle();
  }

  /**
   * Resolves when everything that was caused so far has happened, except for callbacks at a later time.
   * @throws TagalongError SERVICE_STOPPED if nothing happens for two minutes; the error of `fail`
   */
  async settle(): Promise<void> {
    let deadlineMs = performance.now() + SILENT_MS;
    while (!this.#isAtRest) {
      await this.#allStarted();
      await this.sendTime();
      this.#sendReports();
      await this.#allHandled();
      const activities = this.#activity.count;
      const areIdle = await this.#allIdle();
      if (!areIdle || activities !== this.#activity.count || this.#options.hosts.hasReports) continue;
      if (!this.#arePartitionsHeld()) {
        if (performance.now() > deadlineMs) throw stuck("partitions are nobody's, or two processes'");
        // Not `until`: after the pause, all conditions above have to hold again.
        await sleep(PARTITIONS_MS);
        continue;
      }
      deadlineMs = performance.now() + SILENT_MS;
      this.#newcomers.clear();
      // One process after the other, in order of their names: the result must not depend on which process is faster.
      const due = this.#members.all.find((member) => this.#dueMs(member) <= this.#nowMs);
      if (due !== undefined) {
        this.#activity.note();
        await due.sendTime(this.#nowMs, true);
        continue;
      }
      this.#rested = { activities, atMs: this.#nowMs };
      this.instants++;
      this.#wakeAt(Math.min(...this.#members.all.map((member) => this.#dueMs(member))));
    }
  }

  close(): Promise<void> {
    return this.#members.close();
  }

  get #isAtRest(): boolean {
    const { activities, atMs } = this.#rested;
    return activities === this.#activity.count && atMs === this.#nowMs && !this.#options.hosts.hasReports;
  }

  /** The time of the next callback of a process that may run; Infinity if there is none. */
  #dueMs({ name, idle }: Member): number {
    return this.#options.mayStep(name) ? (idle.nextMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  }

  get #nowMs(): number {
    return this.#options.clock.now();
  }

  async #allStarted(): Promise<void> {
    const missing = () => this.#members.missing;
    while (missing().length > 0) await this.#activity.within(SILENT_MS, () => `${missing().join(', ')} did not start`);
  }

  async #allHandled(): Promise<void> {
    const unhandled = () => this.#outstanding.unhandled();
    while (unhandled().length > 0) {
      const onlyNewcomers = this.#newcomers.size > 0 && this.#outstanding.unhandled(this.#newcomers).length === 0;
      const withinMs = onlyNewcomers ? NEWCOMER_MS : SILENT_MS;
      const happened = await this.#activity.within(withinMs, () => `not handled: ${unhandled().join(', ')}`);
      if (!happened) for (const name of this.#newcomers) this.#outstanding.dropUnhandled(name);
    }
  }

  /** Sends the time to all processes. Resolves when all are idle; false if one has ended meanwhile. */
  async #allIdle(): Promise<boolean> {
    const states = await Promise.all(this.#members.all.map((member) => member.sendTime(this.#nowMs, false)));
    return states.filter((state) => state !== undefined).length === this.#options.names.length;
  }

  /** True: exactly one placement holds each partition, and there is exactly one leading migrator. */
  #arePartitionsHeld(): boolean {
    const { partitions } = this.#options;
    return ['placement', 'migrator'].every((service) => {
      const held = this.#members.of(service).flatMap(({ idle }) => idle.held);
      return held.length === partitions && new Set(held).size === partitions;
    });
  }

  /** Sends the reports of the machines to the leader. */
  #sendReports(): void {
    const taken = this.#options.hosts.takeReports();
    if (taken === undefined) return;
    this.#activity.note();
    for (const report of taken.reports) this.#members.get(taken.to)?.send({ kind: 'report', report });
  }

  #processEnded(name: string): void {
    this.#newcomers.delete(name);
    this.#outstanding.ended(name);
    this.#options.hosts.processEnded(name);
    this.#activity.note();
  }
}
