/**
 * The events on the bus, one schema for each type, in the order in which they occur when a VM follows its users.
 *
 * Glossary: a **user** has a position and appears under a pseudonym. A **session** attaches a user to a VM, with a weight. A **site**
 * can run VMs; a VM's **home** is the site where it runs. A **path** is a network connection between two sites. A **decision** is move,
 * stay or cancel, with reasons. A **migration** is one attempt to carry out a decision, and has the decision's id.
 *
 * Units are in the names. `atMs` is the time of the event, in milliseconds since the Unix epoch.
 */
import Type, { type Static } from 'typebox';
import { CallerName, RequestAudited } from './audit-type.ts';
import {
  AtMs,
  BenefitUserMs,
  BytesByPath,
  CostUserMs,
  Count,
  DecisionId,
  DurationMs,
  GapMs,
  Lat,
  LinkRateBps,
  Lon,
  MAX_CANDIDATES,
  MAX_RTTS,
  MAX_UPLINKS,
  MAX_VMS_NAMED,
  Name,
  PathIds,
  RateBps,
  Reason,
  RttMs,
  SentBytes,
  ServingUserMsPerS,
  Slots,
  Weight,
  Word,
} from './bounds.ts';
import { StaysCounted } from './stays-type.ts';
import { Affinity, VmDeclared, VmRetired, VmSpec } from './vm-types.ts';

export { Affinity, RequestAudited, StaysCounted, VmDeclared, VmRetired, VmSpec };

const closed = { additionalProperties: false } as const;
/** A user's position, published once for each VM to which the user is attached. */
export const LocationReported = Type.Object(
  {
    vm: Name,
    user: Name,
    atMs: AtMs,
    lat: Lat,
    lon: Lon,
    /** Round-trip times that the client has measured. For these sites they replace the estimate of the network model. */
    rtts: Type.Optional(Type.Array(Type.Object({ site: Name, rttMs: RttMs }, closed), { maxItems: MAX_RTTS })),
    /**
     * The meaning of silence after this report:
     * - `periodic`: the source reports at an interval while the user is there.
     * - `arrived`: the user is there until the source reports otherwise.
     * - `left`: the user has left, and this is the last known position.
     *
     * Without it, placement learns the interval at which the user reports.
     */
    presence: Type.Optional(Type.Union([Type.Literal('periodic'), Type.Literal('arrived'), Type.Literal('left')])),
  },
  closed,
);

/**
 * A gap or lost connections in a client's traffic with a VM, published when the gap is over. Only this measurement of a move contains
 * everything for which the user waited.
 */
export const InterruptionReported = Type.Object(
  {
    vm: Name,
    user: Name,
    /** The end of the gap. */
    atMs: AtMs,
    /** How long answers did not arrive; 0 if only connections were lost. */
    gapMs: GapMs,
    /** Connections that the client did not close. */
    resets: Count,
    /** Bytes that the client sent and that were never answered. */
    lostBytes: Count,
  },
  closed,
);

/** A user begins to use a VM. `weight` compares the user with the VM's other users. */
export const SessionAttached = Type.Object({ vm: Name, user: Name, atMs: AtMs, weight: Weight }, closed);

/** A user no longer uses a VM. */
export const SessionDetached = Type.Object({ vm: Name, user: Name, atMs: AtMs }, closed);

/** Everything about a user is erased. Its sessions have ended before; whoever keeps something else about the user forgets it. */
export const UserErased = Type.Object({ user: Name, atMs: AtMs }, closed);

/** A site's heartbeat. Two sites have one path for each provider to which both have an uplink. */
export const SiteReported = Type.Object(
  {
    site: Name,
    atMs: AtMs,
    lat: Lat,
    lon: Lon,
    /** How many VMs the site can run. */
    slots: Slots,
    /** The VMs that run at the site. */
    vms: Type.Array(Name, { maxItems: MAX_VMS_NAMED }),
    /** True: no VM may move to the site, and its VMs move away. */
    draining: Type.Boolean(),
    /** Who ordered that it drains; absent: nobody, or nobody with a name. */
    drainedBy: Type.Optional(CallerName),
    uplinks: Type.Array(Type.Object({ provider: Name, rateBps: LinkRateBps }, closed), { maxItems: MAX_UPLINKS }),
  },
  closed,
);

/** A site was removed: no VM moves there. A later heartbeat adds the site again. */
export const SiteRemoved = Type.Object({ site: Name, atMs: AtMs }, closed);

/** The predicted duration, cost and benefit of a move. Costs are in user-milliseconds. */
export const Prediction = Type.Object(
  {
    durationMs: DurationMs,
    interruptionMs: DurationMs,
    bytes: SentBytes,
    costUserMs: CostUserMs,
    benefitUserMs: BenefitUserMs,
    /** The users' cost of a second of delay, in user-milliseconds. */
    delayUserMsPerS: Type.Optional(CostUserMs),
  },
  closed,
);

/** A site that the decision considered. `rejected` names the filter that refused it. */
export const Candidate = Type.Object(
  {
    site: Name,
    /** Serving cost: sum over sessions of weight times excess round-trip time, in user-milliseconds a second. */
    servingUserMsPerS: ServingUserMsPerS,
    rejected: Type.Optional(Word),
    prediction: Type.Optional(Prediction),
  },
  closed,
);

/** Since when the users of a VM count as gone, and why. It describes the user who counted as present for the longest time. */
export const Absence = Type.Object(
  {
    /** When that user reported last. */
    sinceMs: AtMs,
    /** How long ago that was. */
    silentMs: DurationMs,
    /** How often that user reports; without it, the last report said that the user left. */
    everyMs: Type.Optional(DurationMs),
  },
  closed,
);

/** Why the VM stays at its home, or moves to another site. */
export const Explanation = Type.Object(
  {
    state: Word,
    policy: Word,
    reason: Reason,
    sessions: Count,
    homeServingUserMsPerS: ServingUserMsPerS,
    /** How long the users are expected to stay near the best site. */
    expectedStayMs: DurationMs,
    /** The age of the oldest position that counted. */
    oldestFixAgeMs: DurationMs,
    /** Why the users count as gone. Present only with the reasons `users-quiet` and `users-left`. */
    absence: Type.Optional(Absence),
    candidates: Type.Array(Candidate, { maxItems: MAX_CANDIDATES }),
  },
  closed,
);

/** Who ordered a move, or the drain that caused it. Absent: the policy, or a caller without a name. */
const orderedBy = Type.Optional(CallerName);

/** The decision on a VM. `cancel` revokes a `move`. */
export const Verdict = Type.Union([Type.Literal('move'), Type.Literal('stay'), Type.Literal('cancel')]);

/** A verdict on one VM. `decision` is `<vm>:<seq>`, the same each time that the verdict is computed. */
export const PlacementDecided = Type.Object(
  {
    decision: DecisionId,
    vm: Name,
    seq: Count,
    atMs: AtMs,
    verdict: Verdict,
    from: Name,
    /** For `move` the destination, for `stay` the home, for `cancel` the destination of the cancelled move. */
    to: Name,
    reason: Reason,
    source: Type.Union([Type.Literal('policy'), Type.Literal('evacuation'), Type.Literal('operator')]),
    orderedBy,
    prediction: Type.Optional(Prediction),
    /** The migration to cancel; only with `cancel`. */
    cancels: Type.Optional(DecisionId),
    /** The figures of the VM: with `move`, and with `cancel` those of the cancelled move. */
    spec: Type.Optional(VmSpec),
    explanation: Explanation,
  },
  closed,
);

const migration = { migration: DecisionId, vm: Name, from: Name, to: Name, atMs: AtMs, orderedBy };

/** The phases of a migration, in order. The new address is announced before the switch-over (make before break). */
export const PHASES = ['prepare', 'announce', 'disk', 'memory', 'switch', 'release'] as const;
/** One of {@link PHASES}. */
export type Phase = (typeof PHASES)[number];
const PhaseSchema = Type.Union([
  Type.Literal('prepare'),
  Type.Literal('announce'),
  Type.Literal('disk'),
  Type.Literal('memory'),
  Type.Literal('switch'),
  Type.Literal('release'),
]);

/** The point at which a migration ended: in a phase, or in the queue before the first phase. */
const PhaseOrQueue = Type.Union([...PhaseSchema.anyOf, Type.Literal('queue')]);

/** The measured costs of a move. They are published once, in the terminal event. */
export const Figures = Type.Object(
  {
    durationMs: DurationMs,
    /** From the stop of the VM at the source until it runs at the destination; 0 if it never stopped. */
    pauseMs: DurationMs,
    /**
     * The longest gap in a client's traffic during the move: `clientGapMs` if a client reported a gap, otherwise the estimate of the
     * hypervisor's adapter.
     */
    interruptionMs: DurationMs,
    /** The longest gap that a client reported, between the order to switch over and the end of the migration. */
    clientGapMs: Type.Optional(DurationMs),
    /**
     * The downtime that the hypervisor reports, if it does. QEMU's figure is too small, because it does not contain the time in which
     * the destination loads the rest and resumes: it was 5 to 6 ms when clients measured more than 400 ms. Use it for comparisons only.
     */
    hypervisorDowntimeMs: Type.Optional(DurationMs),
    /** How long each phase took, including the time to undo it. Phases that did not begin are absent. */
    phaseMs: Type.Optional(
      Type.Partial(
        Type.Object(
          {
            prepare: DurationMs,
            announce: DurationMs,
            disk: DurationMs,
            memory: DurationMs,
            switch: DurationMs,
            release: DurationMs,
          },
          closed,
        ),
      ),
    ),
    bytes: SentBytes,
    bytesByPath: BytesByPath,
    rounds: Count,
    subflows: Count,
    /**
     * The ways in which the move was worse than planned:
     * - `single-path`: it used one path only.
     * - `forced-stop`: the VM was stopped before the rest was small enough.
     * - `release-incomplete`: something of the move could not be released.
     * - `plain-tcp`: the copy did not use MPTCP.
     * - `retargeted`: a copy stalled and started again over another path.
     * - `post-copy`: the VM ran before all of its memory had arrived. It was slower until then, so users waited longer than `pauseMs`.
     * - `clients-unjoined`: some clients had not joined the new address.
     * - `vm-died`: the VM ended at its destination before the end of the move.
     * - `implausible-figures`: a site reported longer times or more bytes than are possible, and they were reduced.
     */
    degraded: Type.Array(Word, { maxItems: 64 }),
  },
  closed,
);

/** The migrator has accepted a decision. The migration waits until the limits allow it to start. */
export const MigrationAccepted = Type.Object(migration, closed);
/** The first phase of a migration begins, over these paths. */
export const MigrationStarted = Type.Object({ ...migration, paths: PathIds }, closed);
/** The progress of a migration. */
export const MigrationProgressed = Type.Object(
  {
    ...migration,
    phase: PhaseSchema,
    round: Count,
    sentBytes: SentBytes,
    remainingBytes: SentBytes,
    rateBps: RateBps,
    subflows: Count,
    /** The sent bytes by path, if the hypervisor knows them. */
    bytesByPath: Type.Optional(BytesByPath),
  },
  closed,
);
/** The VM runs at the destination from now on. */
export const MigrationSwitched = Type.Object({ ...migration, pauseMs: DurationMs }, closed);
/** A migration has completed. Terminal. */
export const MigrationCompleted = Type.Object({ ...migration, figures: Figures }, closed);
/** A migration has failed: the error, and the site where the VM runs. Terminal. */
export const MigrationFailed = Type.Object(
  {
    ...migration,
    phase: PhaseOrQueue,
    code: Word,
    reason: Reason,
    /** The site at which the VM runs now. */
    runsAt: Name,
    figures: Figures,
  },
  closed,
);
/** A migration was cancelled before the switch-over. Terminal. */
export const MigrationCancelled = Type.Object(
  {
    ...migration,
    phase: PhaseOrQueue,
    by: Reason,
    /** The name of the operator who cancelled it. */
    cancelledBy: Type.Optional(CallerName),
    figures: Figures,
  },
  closed,
);

/** A dead letter: a message on the bus that could not be handled. It is stored, so that people can examine it and send it again. */
export const EventRejected = Type.Object(
  { vm: Name, atMs: AtMs, code: Word, reason: Reason, original: Type.Unknown() },
  closed,
);

/** Every event type with its schema. A type ends in its version; a changed meaning gets a new version. */
export const SCHEMAS = {
  'location.reported.v1': LocationReported,
  'interruption.reported.v1': InterruptionReported,
  'session.attached.v1': SessionAttached,
  'session.detached.v1': SessionDetached,
  'vm.declared.v1': VmDeclared,
  'vm.retired.v1': VmRetired,
  'site.reported.v1': SiteReported,
  'site.removed.v1': SiteRemoved,
  'placement.decided.v1': PlacementDecided,
  'migration.accepted.v1': MigrationAccepted,
  'migration.started.v1': MigrationStarted,
  'migration.progressed.v1': MigrationProgressed,
  'migration.switched.v1': MigrationSwitched,
  'migration.completed.v1': MigrationCompleted,
  'migration.failed.v1': MigrationFailed,
  'migration.cancelled.v1': MigrationCancelled,
  'event.rejected.v1': EventRejected,
  'stays.counted.v1': StaysCounted,
  'request.audited.v1': RequestAudited,
  'user.erased.v1': UserErased,
} as const;

/** The name of an event type, version included. */
export type EventType = keyof typeof SCHEMAS;
/** The payload of an event type. */
export type Data<T extends EventType> = Static<(typeof SCHEMAS)[T]>;
/** An event without its envelope: the input and output of the pure cores. */
export type Fact = { [T in EventType]: { readonly type: T; readonly data: Data<T> } }[EventType];
/** The facts of some types. */
export type FactOf<T extends EventType> = Extract<Fact, { type: T }>;

/** All event types, in the order of {@link SCHEMAS}. */
export const EVENT_TYPES = Object.keys(SCHEMAS) as EventType[];
/** A migration ends in exactly one of these. */
export const TERMINAL_TYPES = ['migration.completed.v1', 'migration.failed.v1', 'migration.cancelled.v1'] as const;
/** The event types of a migration, in the order in which they occur. */
export const MIGRATION_TYPES = [
  'migration.accepted.v1',
  'migration.started.v1',
  'migration.progressed.v1',
  'migration.switched.v1',
  ...TERMINAL_TYPES,
] as const;

export type Prediction = Static<typeof Prediction>;
export type Candidate = Static<typeof Candidate>;
export type Absence = Static<typeof Absence>;
export type Explanation = Static<typeof Explanation>;
export type Figures = Static<typeof Figures>;
