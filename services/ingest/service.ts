/**
 * The ingest service: validates reports about users, VMs and sessions, replaces user ids by pseudonyms, and publishes events.
 */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { IngestConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import type { VmSpec } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { InFlight } from '#shared/time/in-flight.ts';
import type { KnownSites } from '../sites/known.ts';
import { type Attachments, createAttachments, type Session } from './attachments.ts';
import { acceptsMore } from './backlog.ts';
import { Declarations, type DeclareOptions } from './declarations.ts';
import { createFactPublisher } from './facts.ts';
import { createFormerSessions } from './former-sessions.ts';
import { createInterruptions, type Interruption, type InterruptionReceipt } from './interruptions.ts';
import { type Location, Locations, type Receipt } from './locations.ts';
import { createNames, type Names } from './names.ts';
import { createQuotas } from './quotas.ts';
import { Sessions } from './sessions.ts';
import { vmKey } from './vm-record.ts';

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
  /** The sessions of a user. @param user a name of the bus */
  sessions(user: string): Promise<readonly Session[]>;
  /**
   * Ends all sessions of a user for ever.
   * @param user a name of the bus
   * @returns their number
   * @throws TagalongError STORE_CONFLICT: repeat it
   */
  eraseSessions(user: string): Promise<number>;
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

/** The parts of an ingest. */
export interface IngestOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly config: IngestConfig;
  /** The sites that exist. */
  readonly sites: KnownSites;
  readonly log: Log;
  /** Receives records that cannot be read. @default a list of its own */
  readonly setAside?: SetAside;
  /** The names of users. @default made of `config`; device tokens do not move then */
  readonly names?: Names;
}

/** Every method but `start` and `stop` throws TagalongError SERVICE_STOPPED while ingest does not run. */
export function createIngest(options: IngestOptions): Ingest {
  const { attachments, former, declarations, sessions, locations, publishInterruptions } = partsOf(options);
  const inFlight = new InFlight();
  let running = false;
  let waitsFor: readonly string[] = [];

  /** Runs a request, if ingest accepts requests now. `stop` waits for it. */
  const take = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!running)
      throw new TagalongError('SERVICE_STOPPED', 'ingest has not started yet, or is stopping; send the request again');
    return inFlight.during(work);
  };

  return {
    async start() {
      running = true;
    },
    async stop() {
      running = false;
      await inFlight.idle();
    },
    ready() {
      if (running) return acceptsMore(options.bus);
      return waitsFor.length === 0 ? 'not running' : `waits for the first start of ${waitsFor.join(' and ')}`;
    },
    waitFor(missing) {
      waitsFor = missing;
    },
    declareVm: (vm, home, spec, more) => take(() => declarations.declare(vm, home, spec, more)),
    retireVm: (vm) => take(() => declarations.retire(vm)),
    siteOf: (vm, user) => take(() => declarations.siteOf(vm, user === undefined ? undefined : former.presentOf(user))),
    attach: (vm, user, weight) => take(() => sessions.attach(vm, user, weight)),
    detach: (vm, user) => take(() => sessions.detach(vm, user)),
    sessions: (user) => take(() => attachments.sessions(user)),
    eraseSessions: (user) => take(() => sessions.erase(user)),
    locations: (list, traceparent) => take(() => locations.publish(list, traceparent)),
    interruptions: (list) => take(() => publishInterruptions(list)),
    counts: locations.counts,
  };
}

/** Makes the parts that carry out the requests. */
function partsOf(options: IngestOptions) {
  const { bus, store, clock, config } = options;
  const log = serviceLog(options.log, 'ingest');
  const setAside = options.setAside ?? new SetAside({ log, clock });
  const names = options.names ?? createNames(config);
  const { former } = names;
  const attachments: Attachments = createAttachments(store, clock, setAside, (user) => moveFormer(user));
  const quotas = createQuotas(config.quotas, clock, {
    vms: async () => (await store.list(vmKey(''))).length,
    usersByVm: () => attachments.usersByVm(),
  });
  const publishFact = createFactPublisher(bus);
  const moveFormer = createFormerSessions({
    attachments,
    former,
    log,
    clock,
    publishFact,
    moveTokens: names.moveTokens,
  });
  const pseudonymOf = (id: string) => {
    former.note(id);
    return names.pseudonymOf(id);
  };
  const declarations = new Declarations({ ...options, log, setAside, quotas, attachments, publishFact });
  const isDeclared = (vm: string) => declarations.isDeclared(vm);
  return {
    attachments,
    former,
    declarations,
    sessions: new Sessions({ clock, quotas, attachments, publishFact, pseudonymOf, former, isDeclared }),
    locations: new Locations({ bus, clock, config, quotas, attachments, pseudonymOf }),
    publishInterruptions: createInterruptions({ bus, clock, config, pseudonymOf, isDeclared, attachments }),
  };
}
