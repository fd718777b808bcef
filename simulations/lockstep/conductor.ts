/**
 * Moves the clocks of several service processes together. Between two instants everything has happened that the first has
 * caused: every group has handled every event, no process has work in hand, and every partition has an owner.
 *
 * The conductor knows this exactly, and without asking the bus. Each process tells it, in order, which events it is about to
 * publish and which ones it has handled, and answers when it rests. Nothing is under way anywhere where no event was
 * outstanding when the conductor asked all processes, and no process told anything until all had answered.
 */
import { randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { VirtualClock } from '#shared/clock/virtual.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Event, EventType } from '#shared/events/index.ts';
import type { SharedHosts } from './hosts.ts';
import { Member } from './member.ts';
import { Outstanding } from './outstanding.ts';
import type { Answer, FromConductor, FromFollower, Question, Rest } from './wire.ts';
import { wire } from './wire.ts';

/** The clock that a conductor moves, and the processes that follow it. */
export interface ConductorOptions {
  /** The clock that all follow. The caller moves it, and waits for `settle` after each callback and at the end. */
  readonly clock: VirtualClock;
  readonly hosts: SharedHosts;
  /** The names of all processes; the part before the dash is the service. */
  readonly names: readonly string[];
  readonly partitions: number;
  /** False: this process begins nothing more by itself, also not what is due at this instant. */
  readonly begins: (name: string) => boolean;
}

const OBSERVER = 'conductor';
/** The conductor gives up after so long, on the machine's clock, without a message. */
const SILENT_MS = 120_000;
/** An event that a new process has not handled by then was published before it subscribed. */
const FRESH_MS = 300;
/** Between two looks at the owners of partitions, while these change. */
const PARTITIONS_MS = 10;

/** The one that has the time, from `open` to `close`. */
export class Conductor {
  readonly #options: ConductorOptions;
  readonly #outstanding = new Outstanding();
  readonly #members = new Map<string, Member>();
  /** Those that have come and were never at rest yet. */
  readonly #fresh = new Set<string>();
  readonly #token = randomUUID();
  readonly #server = createServer((socket) => this.#connected(socket));
  readonly #wakeAt: (atMs: number | undefined) => void;
  #told = 0;
  #heard = Promise.withResolvers<void>();
  /** The value of `#told` when everything was at rest last, and the time then. */
  #rested = { told: -1, atMs: Number.NEGATIVE_INFINITY };
  #failure: unknown;
  /** Counts the instants at which everything was at rest. */
  instants = 0;

  constructor(options: ConductorOptions) {
    this.#options = options;
    // `settle` carries out the callbacks that are due.
    this.#wakeAt = alarm(options.clock, () => {
      this.#told++;
    });
  }

  /** Begins to listen, on the loopback. */
  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** The address of the clock for the process of this name. */
  address(name: string): string {
    const { port } = this.#server.address() as AddressInfo;
    return `tcp://${name}:${this.#token}@127.0.0.1:${port}`;
  }

  /** The addresses of a service's present processes. */
  urls(service: string): string[] {
    return [...this.#members.values()].flatMap(({ name, url }) => (name.startsWith(`${service}-`) && url) || []);
  }

  /** Subscribes to a bus as one more group that `settle` waits for. */
  async observe(bus: Bus, types: readonly EventType[], hear: (event: Event) => void): Promise<void> {
    await bus.subscribe({ group: OBSERVER, types, latest: true }, async (batch) => {
      for (const { event } of batch) {
        hear(event);
        this.#outstanding.handled(OBSERVER, OBSERVER, event.id);
      }
      this.#hear();
    });
    this.#outstanding.join(OBSERVER, types, OBSERVER);
  }

  /** A request goes to a process: from now on it may no longer rest. @throws the error that `fail` got */
  disturbed(): void {
    this.#hear();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends the waiting in `settle`, which throws the error. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#hear();
  }

  /** Tells all processes the time. Resolves when they have it. */
  async tellTime(): Promise<void> {
    while (![...this.#members.values()].every(({ nowMs }) => nowMs === this.#nowMs)) await this.#allRest();
  }

  /**
   * Resolves when everything that was caused so far has happened, except what waits for the clock.
   * @throws TagalongError SERVICE_STOPPED where nothing happens for two minutes; the error that `fail` got
   */
  async settle(): Promise<void> {
    let patientUntilMs = performance.now() + SILENT_MS;
    while (!this.#isAtRest) {
      await this.#allHere();
      await this.tellTime();
      this.#report();
      await this.#allHandled();
      const told = this.#told;
      const rests = await this.#allRest();
      if (rests === undefined || told !== this.#told || this.#options.hosts.reporting) continue;
      if (!this.#shared()) {
        if (performance.now() > patientUntilMs) throw this.#stuck("partitions are nobody's, or two processes'");
        // Not `until`: after the pause everything above has to hold anew.
        await sleep(PARTITIONS_MS);
        continue;
      }
      patientUntilMs = performance.now() + SILENT_MS;
      this.#fresh.clear();
      // One after the other, in order of their names: their work at one instant must not depend on which one is quicker.
      const due = [...this.#members.values()].find((member) => this.#dueMs(member) <= this.#nowMs);
      if (due !== undefined) {
        this.#told++;
        await due.now(this.#nowMs, true);
        continue;
      }
      this.#rested = { told, atMs: this.#nowMs };
      this.instants++;
      this.#wakeAt(Math.min(...[...this.#members.values()].map((member) => this.#dueMs(member))));
    }
  }

  async close(): Promise<void> {
    for (const member of this.#members.values()) member.close();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get #isAtRest(): boolean {
    const { told, atMs } = this.#rested;
    return told === this.#told && atMs === this.#nowMs && !this.#options.hosts.reporting;
  }

  /** When a process has something to do by itself; Infinity: only an event can change anything. */
  #dueMs({ name, rest }: Member): number {
    return this.#options.begins(name) ? (rest.nextMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  }

  get #nowMs(): number {
    return this.#options.clock.now();
  }

  #hear(): void {
    this.#told++;
    this.#heard.resolve();
    this.#heard = Promise.withResolvers<void>();
  }

  /** Waits for a message. @returns false where none came within the time */
  async #next(withinMs: number, what: () => string): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure;
    const timeout = new AbortController();
    const heard = await Promise.race([
      this.#heard.promise.then(() => true),
      sleep(withinMs, false, { signal: timeout.signal }).catch(() => false),
    ]);
    timeout.abort();
    if (this.#failure !== undefined) throw this.#failure;
    if (!heard && withinMs === SILENT_MS) throw this.#stuck(what());
    return heard;
  }

  #stuck(why: string): TagalongError {
    return new TagalongError('SERVICE_STOPPED', `nothing goes on for ${SILENT_MS / 1000} s: ${why}; see the log`);
  }

  async #allHere(): Promise<void> {
    const { names } = this.#options;
    const missing = () => names.filter((name) => this.#members.get(name)?.url === undefined);
    while (missing().length > 0) await this.#next(SILENT_MS, () => `${missing().join(', ')} did not start`);
  }

  async #allHandled(): Promise<void> {
    const waiting = () => this.#outstanding.waiting();
    while (waiting().length > 0) {
      const onlyFresh = this.#fresh.size > 0 && this.#outstanding.waiting(this.#fresh).length === 0;
      const heard = await this.#next(onlyFresh ? FRESH_MS : SILENT_MS, () => `not handled: ${waiting().join(', ')}`);
      if (!heard) for (const name of this.#fresh) this.#outstanding.settle(name);
    }
  }

  /** Resolves when all have nothing in hand; undefined where one has gone meanwhile. */
  async #allRest(): Promise<readonly Rest[] | undefined> {
    const rests = await Promise.all([...this.#members.values()].map((member) => member.now(this.#nowMs, false)));
    const here = rests.filter((rest) => rest !== undefined);
    return here.length === this.#options.names.length ? here : undefined;
  }

  /** True: each partition is one placement's, and one migrator is on duty. */
  #shared(): boolean {
    const { partitions } = this.#options;
    return ['placement', 'migrator'].every((service) => {
      const held = [...this.#members.values()].flatMap(({ name, rest }) =>
        name.startsWith(`${service}-`) ? rest.held : [],
      );
      return held.length === partitions && new Set(held).size === partitions;
    });
  }

  #report(): void {
    const taken = this.#options.hosts.takeReports();
    if (taken === undefined) return;
    this.#told++;
    for (const report of taken.reports) this.#members.get(taken.to)?.send({ kind: 'report', report });
  }

  #connected(socket: Socket): void {
    let member: Member | undefined;
    const line = wire<FromFollower, FromConductor>(socket, (message) => {
      if (member !== undefined) {
        // An answer is nothing new.
        if (message.kind === 'rests') return member.rests(message);
        this.#take(member, message);
        this.#hear();
        return;
      }
      if (message.kind !== 'hello' || !this.#expects(message)) return line.close();
      member = new Member(message.name, line);
      this.#members.set(member.name, member);
      this.#fresh.add(member.name);
      // In order of their names, not of their coming.
      for (const [name, other] of [...this.#members].sort()) {
        this.#members.delete(name);
        this.#members.set(name, other);
      }
      line.send({ kind: 'begin', nowMs: this.#nowMs });
    });
    void line.closed.then(() => {
      if (member !== undefined) this.#gone(member);
    });
  }

  #expects({ name, token }: { readonly name: string; readonly token: string }): boolean {
    const [given, ours] = [Buffer.from(token), Buffer.from(this.#token)];
    const isOurs = given.length === ours.length && timingSafeEqual(given, ours);
    return isOurs && this.#options.names.includes(name) && !this.#members.has(name);
  }

  #take(member: Member, message: FromFollower): void {
    const { name } = member;
    switch (message.kind) {
      case 'started':
        member.url = message.url;
        break;
      case 'joined':
        this.#outstanding.join(message.group, message.types, message.own ? name : undefined);
        break;
      case 'says':
        for (const event of message.events) this.#outstanding.says(name, event);
        break;
      case 'said':
        for (const id of message.ids) this.#outstanding.said(id);
        break;
      case 'unsaid':
        for (const id of message.ids) this.#outstanding.unsaid(name, id);
        break;
      case 'handled':
        for (const id of message.ids) this.#outstanding.handled(message.group, name, id);
        break;
      case 'order':
        this.#options.hosts.order(name, message.order);
        break;
      case 'ask':
        member.send({ kind: 'answer', n: message.n, ...this.#answer(name, message.question) });
    }
  }

  #answer(name: string, question: Question): Answer {
    try {
      return { value: this.#options.hosts.answer(name, question) };
    } catch (error) {
      if (!(error instanceof TagalongError)) throw error;
      return { fault: { code: error.code, message: error.message } };
    }
  }

  #gone(member: Member): void {
    const { name } = member;
    member.gone();
    this.#members.delete(name);
    this.#fresh.delete(name);
    this.#outstanding.gone(name);
    this.#options.hosts.gone(name);
    this.#hear();
  }
}
