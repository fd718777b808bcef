/**
 * The ingest service: validates reports about users, VMs and sessions, replaces user ids by pseudonyms, and publishes events.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { MAX_USERS_PER_VM } from '#shared/events/bounds.ts';
import {
  type Affinity,
  type Data,
  type Event,
  envelop,
  type Fact,
  faultIn,
  keyOf,
  readTraceparent,
  type VmSpec,
} from '#shared/events/index.ts';
import { checkPosition, type Implausible } from '#shared/geo/plausibility.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { listRecords } from '#shared/store/update.ts';
import { InFlight } from '#shared/time/in-flight.ts';
import type { KnownSites } from '../sites/known.ts';
import { handedKey, placeKey } from '../sites/place-records.ts';
import { refuseContradictions } from './affinity.ts';
import { createAttachments } from './attachments.ts';
import { createInterruptions, type Interruption, type InterruptionReceipt } from './interruptions.ts';
import { createPseudonyms } from './pseudonym.ts';
import { publishThenStore } from './publish-then-store.ts';
import { createQuotas } from './quotas.ts';
import { createRelated, RelatedVms } from './related.ts';
import { DECLARED_VM_RECORD, unknownVm, vmKey } from './vm-record.ts';

/** A position that a user's device reports. `user` is the operator's id of the user, not the pseudonym. */
export type Location = Omit<Data<'location.reported.v1'>, 'vm'>;

/** The result of one call; `accepted + unattached + implausible` is the number of its locations. */
export interface Receipt {
  /** Locations that count for at least one VM. */
  readonly accepted: number;
  /** The events published for them: one for each VM that the user is attached to. */
  readonly events: number;
  /** Implausible locations, by reason. */
  readonly implausible: Readonly<Partial<Record<Implausible, number>>>;
  /** Locations of users who are attached to no VM. */
  readonly unattached: number;
  /** The first hundred locations that were not accepted, with the reason; absent where all were accepted. */
  readonly notTaken?: readonly NotTaken[];
}

/** One location that counts for no VM. */
export interface NotTaken {
  /** Its index in the request, from 0. */
  readonly index: number;
  readonly why: Implausible | 'unattached';
}

/** The optional parts of a declaration of a VM. */
export interface DeclareOptions {
  /** Where it may run and had better run. @default anywhere */
  readonly affinity?: Affinity | undefined;
  /** The level of the log line. @default info */
  readonly level?: 'info' | 'debug';
}

/** The running ingest. */
export interface Ingest {
  start(): Promise<void>;
  /** Accepts no more requests; resolves once all accepted events are on the bus. */
  stop(): Promise<void>;
  /** True, or the reason why ingest accepts no requests at the moment. */
  ready(): true | string;
  /** Sets the processes that ingest waits for before it starts; `ready` names them. */
  waitFor(missing: readonly string[]): void;
  /**
   * Declares a VM, or changes its declaration. A repeated call publishes nothing.
   * @throws TagalongError SITE_UNKNOWN where the home or a site of the affinity does not exist, EVENT_INVALID where the affinity
   *   contradicts itself, the home or other VMs, HOME_FIXED where the VM is at another site, QUOTA_EXCEEDED
   */
  declareVm(vm: string, home: string, spec: VmSpec, more?: DeclareOptions): Promise<void>;
  /** Retires a VM, and detaches its users. @throws TagalongError VM_UNKNOWN */
  retireVm(vm: string): Promise<void>;
  /**
   * The site of a VM.
   * @param user the pseudonym of a user; where that user is not attached to the VM, the VM counts as unknown
   * @throws TagalongError VM_UNKNOWN
   */
  siteOf(vm: string, user?: string): Promise<string>;
  /** Attaches a user to a VM, or changes the weight. @throws TagalongError VM_UNKNOWN, EVENT_INVALID, QUOTA_EXCEEDED */
  attach(vm: string, user: string, weight: number): Promise<void>;
  /** Does nothing where the user is not attached. */
  detach(vm: string, user: string): Promise<void>;
  /**
   * Publishes the locations of one call at once; resolves when the bus has them. A repeated location gets the same event id.
   * @param traceparent the sender's trace context (W3C), if it has one
   * @throws TagalongError BUS_OVERLOADED where too many events wait already, QUOTA_EXCEEDED; nothing is published then
   */
  locations(list: readonly Location[], traceparent?: string): Promise<Receipt>;
  /**
   * Publishes the gaps that clients report; resolves when the bus has them. A repeated gap gets the same event id.
   * @throws TagalongError BUS_OVERLOADED, VM_UNKNOWN; nothing is published then
   */
  interruptions(list: readonly Interruption[]): Promise<InterruptionReceipt>;
  /** Totals since the start, for the monitor. */
  readonly counts: Readonly<Receipt>;
}

/** The longest backlog of a consumer group, in events, at which ingest accepts requests. Beyond it, locations are evaluated too late. */
export const MAX_WAITING_EVENTS = 200_000;
/** The most locations that `notTaken` lists. */
const MOST_LISTED = 100;
const SOURCE = '/tagalong/ingest';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Tally = Mutable<Omit<Receipt, 'implausible' | 'notTaken'>> & {
  readonly implausible: Mutable<Receipt['implausible']>;
};
const newTally = (): Tally => ({ accepted: 0, events: 0, implausible: {}, unattached: 0 });

/** Every method but `start` and `stop` throws TagalongError SERVICE_STOPPED while ingest does not run. */
export function createIngest(options: {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly config: IngestConfig;
  /** The sites that exist. */
  readonly sites: KnownSites;
  readonly log: Log;
  /** Where records go that cannot be read. @default a list of its own */
  readonly setAside?: SetAside;
}): Ingest {
  const { bus, store, clock, config, sites } = options;
  const log = serviceLog(options.log, 'ingest');
  const setAside = options.setAside ?? new SetAside({ log, clock });
  const pseudonymOf = createPseudonyms(config.pseudonymKey);
  const attachments = createAttachments(store, clock, setAside);
  const isDeclared = async (vm: string) => (await store.get(vmKey(vm))) !== undefined;
  const quotas = createQuotas(config.quotas, clock, {
    vms: async () => (await store.list(vmKey(''))).length,
    usersByVm: () => attachments.usersByVm(),
  });
  const related = createRelated(clock, async () => {
    const vms = new RelatedVms();
    for (const { key, value } of await listRecords(store, DECLARED_VM_RECORD, vmKey(''), setAside)) {
      vms.set(key.slice(vmKey('').length), value.affinity as Affinity | null);
    }
    return vms;
  });
  const counts = newTally();
  const inFlight = new InFlight();
  let running = false;
  let waitsFor: readonly string[] = [];
  let said = 0;

  /** Runs a request, if ingest accepts requests now. `stop` waits for it. */
  const take = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!running)
      throw new TagalongError('SERVICE_STOPPED', 'ingest has not started yet, or is stopping; send the request again');
    return inFlight.during(work);
  };
  /**
   * Publishes a fact under a unique id: a user can leave and return within a millisecond, and both events count. The revision
   * distinguishes events of two processes; the serial distinguishes events about a record that was deleted and created again.
   */
  const publishFact = (fact: Fact, revision: number) => {
    const who = 'user' in fact.data ? `${fact.data.user}:` : '';
    const id = `${fact.type}:${keyOf(fact)}:${who}${fact.data.atMs}:${revision}:${++said}`;
    return bus.publish([envelop(fact, id, SOURCE)]);
  };

  /** The site in the migrator's record; undefined if it has none. */
  const placeOf = async (vm: string): Promise<string | undefined> => {
    const records = await Promise.all(
      [placeKey(vm), handedKey(vm)].map((key) => store.get<{ site?: unknown } | null | undefined>(key)),
    );
    return records.map((record) => record?.value?.site).find((site) => typeof site === 'string');
  };

  const siteOf = async (vm: string, user?: string) => {
    const declared = (await store.get<{ home?: unknown } | null | undefined>(vmKey(vm)))?.value?.home;
    const mayKnow = user === undefined || (await attachments.load(user)).includes(vm);
    if (typeof declared !== 'string' || !mayKnow) throw unknownVm(vm);
    return (await placeOf(vm)) ?? declared;
  };

  /** Checks a declared home against the site in the migrator's record: a declaration moves no VM. Without a record any home will do. */
  const refuseElsewhere = async (vm: string, home: string) => {
    const at = await placeOf(vm);
    if (at === undefined || at === home) return;
    const next = `move it with "tagalong migrate ${vm} --to ${home}" (POST /v1/vms/${vm}/moves)`;
    throw new TagalongError(
      'HOME_FIXED',
      `home: ${vm} is at ${at}, and a declaration does not move it to ${home}; ${next}`,
    );
  };

  const declareVm = async (vm: string, home: string, spec: VmSpec, more: DeclareOptions = {}) => {
    const { affinity, level = 'info' } = more;
    const data = () => ({ vm, atMs: clock.now(), home, spec, ...(affinity && { affinity }) });
    refuseUnfit('vm.declared.v1', data());
    const fault = await sites.faultOf(home);
    if (fault !== undefined) throw new TagalongError('SITE_UNKNOWN', `home: ${fault}`);
    if (affinity !== undefined) {
      await refuseContradictions({ store, sites }, { vm, home, affinity });
      await related.refuse(vm, affinity);
    }
    const at = (await store.get<{ home?: unknown } | null | undefined>(vmKey(vm)))?.value?.home;
    if (at !== undefined && at !== home) await refuseElsewhere(vm, home);
    if (!(await isDeclared(vm))) await quotas.oneMoreVm();
    const value = { home, spec, affinity: affinity ?? null };
    await publishThenStore(
      { store, setAside },
      DECLARED_VM_RECORD,
      vmKey(vm),
      (present) => (isDeepStrictEqual(present, value) ? undefined : { value }),
      async (revision) => {
        await publishFact({ type: 'vm.declared.v1', data: data() }, revision);
        log[level]({ vm, home }, 'VM declared');
        related.changed(vm, value.affinity);
        // Revision 0: the record does not exist yet.
        if (revision === 0) quotas.changed({ vm: 1 });
      },
    );
  };

  const retireVm = (vm: string) =>
    publishThenStore(
      { store, setAside },
      DECLARED_VM_RECORD,
      vmKey(vm),
      (present) => {
        if (present === undefined) throw unknownVm(vm);
        return { value: undefined };
      },
      async (revision) => {
        await publishFact({ type: 'vm.retired.v1', data: { vm, atMs: clock.now() } }, revision);
        // Before the record is deleted: if the process dies here, the client can repeat the request.
        await attachments.detachAll(vm);
        quotas.changed({ vm: -1 });
        related.changed(vm, null);
        quotas.changed({ usersOf: vm, by: -MAX_USERS_PER_VM });
        log.info({ vm }, 'VM retired');
      },
    );

  const attach = async (vm: string, id: string, weight: number) => {
    const user = pseudonymOf(id);
    const data = () => ({ vm, user, atMs: clock.now(), weight });
    refuseUnfit('session.attached.v1', data());
    if (!(await isDeclared(vm))) throw unknownVm(vm);
    const vms = await attachments.load(user);
    const isNew = !vms.includes(vm);
    if (isNew) {
      quotas.oneMoreSession(vms.length);
      await quotas.oneMoreUser(vm);
    }
    await attachments.attach(user, vm, weight, (revision) =>
      publishFact({ type: 'session.attached.v1', data: data() }, revision),
    );
    if (isNew) quotas.changed({ usersOf: vm, by: 1 });
  };

  const detach = async (vm: string, id: string) => {
    const user = pseudonymOf(id);
    const data = () => ({ vm, user, atMs: clock.now() });
    refuseUnfit('session.detached.v1', data());
    await attachments.detach(user, vm, async (revision) => {
      await publishFact({ type: 'session.detached.v1', data: data() }, revision);
      quotas.changed({ usersOf: vm, by: -1 });
    });
  };

  const locations = async (list: readonly Location[], traceparent?: string) => {
    refuseOverload(bus, 0);
    const tally = newTally();
    const nowMs = clock.now();
    const plausible: Location[] = [];
    const places: number[] = [];
    const notTaken: NotTaken[] = [];
    for (const [index, location] of list.entries()) {
      const code = checkPosition(location, nowMs, config.plausibility);
      if (code !== undefined) {
        tally.implausible[code] = (tally.implausible[code] ?? 0) + 1;
        notTaken.push({ index, why: code });
        continue;
      }
      plausible.push({ ...location, user: pseudonymOf(location.user) });
      places.push(index);
    }
    const vmsOf = await vmsOfAll(plausible.map(({ user }) => user));
    const many = plausible.reduce((sum, { user }) => sum + vmsOf.get(user)!.length, 0);
    quotas.events(many);
    refuseOverload(bus, many);
    const events: Event[] = [];
    const context = readTraceparent(traceparent) && { traceparent: traceparent! };
    for (const [i, location] of plausible.entries()) {
      const vms = vmsOf.get(location.user)!;
      if (vms.length === 0) {
        tally.unattached++;
        notTaken.push({ index: places[i]!, why: 'unattached' });
      } else tally.accepted++;
      for (const vm of vms) events.push(locationEvent(vm, location, nowMs, context));
    }
    tally.events = events.length;
    if (events.length > 0) await bus.publish(events);
    add(counts, tally);
    return notTaken.length === 0 ? tally : { ...tally, notTaken: notTaken.slice(0, MOST_LISTED) };
  };

  const interruptions = (list: readonly Interruption[]) => {
    refuseOverload(bus, list.length);
    return publishInterruptions(list);
  };

  const vmsOfAll = async (users: Iterable<string>) => {
    const vmsOf = new Map<string, readonly string[]>();
    const unknown = new Set<string>();
    for (const user of users) {
      const vms = attachments.known(user);
      if (vms === undefined) unknown.add(user);
      else vmsOf.set(user, vms);
    }
    await Promise.all([...unknown].map(async (user) => vmsOf.set(user, await attachments.load(user))));
    return vmsOf;
  };
  const publishInterruptions = createInterruptions({
    ...options,
    source: SOURCE,
    pseudonymOf,
    isDeclared,
    vmsOf: vmsOfAll,
  });

  return {
    async start() {
      running = true;
    },
    async stop() {
      running = false;
      await inFlight.idle();
    },
    ready() {
      if (!running)
        return waitsFor.length === 0 ? 'not running' : `waits for the first start of ${waitsFor.join(' and ')}`;
      const waiting = longestBacklog(bus);
      return waiting <= MAX_WAITING_EVENTS || overloaded(waiting);
    },
    waitFor(missing) {
      waitsFor = missing;
    },
    declareVm: (vm, home, spec, more) => take(() => declareVm(vm, home, spec, more)),
    retireVm: (vm) => take(() => retireVm(vm)),
    siteOf: (vm, user) => take(() => siteOf(vm, user)),
    attach: (vm, user, weight) => take(() => attach(vm, user, weight)),
    detach: (vm, user) => take(() => detach(vm, user)),
    locations: (list, traceparent) => take(() => locations(list, traceparent)),
    interruptions: (list) => take(async () => interruptions(list)),
    counts,
  };
}

/** Uses the present time where the sender's clock is ahead. The id uses the sender's time, so a repeat has the same id. */
function locationEvent(
  vm: string,
  location: Location,
  nowMs: number,
  context?: { readonly traceparent: string },
): Event {
  const { user, atMs, presence } = location;
  const data = { vm, ...location, atMs: Math.min(atMs, Math.ceil(nowMs)) };
  const fact: Fact = { type: 'location.reported.v1', data };
  // A position and a departure can be of one instant; neither is a repeat of the other.
  const said = presence === undefined ? '' : `:${presence}`;
  return envelop(fact, `loc:${vm}:${user}:${atMs}${said}`, SOURCE, context);
}

function refuseUnfit<T extends Fact['type']>(type: T, data: Data<T>): void {
  const fault = faultIn(type, data);
  if (fault !== undefined) throw new TagalongError('EVENT_INVALID', fault);
}

/** The longest backlog of any consumer group, in events. */
function longestBacklog(bus: Bus): number {
  const byGroup = new Map<string, number>();
  for (const { group, events } of bus.lag()) byGroup.set(group, (byGroup.get(group) ?? 0) + events);
  return Math.max(0, ...byGroup.values());
}

/** @param more the number of events to be published. @throws TagalongError BUS_OVERLOADED */
function refuseOverload(bus: Bus, more: number): void {
  const waiting = longestBacklog(bus) + more;
  if (waiting > MAX_WAITING_EVENTS) throw new TagalongError('BUS_OVERLOADED', overloaded(waiting));
}

function overloaded(waiting: number): string {
  return `${waiting} events wait on the bus, more than ${MAX_WAITING_EVENTS}; send again later`;
}

function add(counts: Tally, tally: Tally): void {
  counts.accepted += tally.accepted;
  counts.events += tally.events;
  counts.unattached += tally.unattached;
  for (const [code, n] of Object.entries(tally.implausible) as [Implausible, number][]) {
    counts.implausible[code] = (counts.implausible[code] ?? 0) + n;
  }
}
