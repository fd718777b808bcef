/**
 * What is said on the bus. One schema an event type, in the order in which a follow-the-user migration goes.
 *
 * Words: a **user** is someone with a position, known by a pseudonym; a **session** is a user attached to a VM, with a
 * weight; a **site** is a place that can run VMs; a **path** is one network way between two sites; a **decision** is
 * move, stay or cancel, with reasons; a **migration** is one attempt to carry out a decision and has its id.
 *
 * Units are in the names. `atMs` is when the thing happened, in milliseconds since the Unix epoch.
 */
import Type, { type Static } from 'typebox';
import {
  AtMs,
  BenefitUserMs,
  BytesByPath,
  CostUserMs,
  Count,
  DecisionId,
  DiskBytes,
  DowntimeLimitMs,
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
  RamBytes,
  RateBps,
  Reason,
  RttMs,
  SentBytes,
  ServingUserMsPerS,
  Slots,
  Weight,
  Word,
  WorkingSetBytes,
} from './bounds.ts';

const closed = { additionalProperties: false } as const;
/** A user's position, published once for each VM the user is attached to. */
export const LocationReported = Type.Object(
  {
    vm: Name,
    user: Name,
    atMs: AtMs,
    lat: Lat,
    lon: Lon,
    /** Round-trip times the client measured itself; they overrule the network model for those sites. */
    rtts: Type.Optional(Type.Array(Type.Object({ site: Name, rttMs: RttMs }, closed), { maxItems: MAX_RTTS })),
  },
  closed,
);

/**
 * What one client saw go wrong in its own traffic with a VM, said when it is over. It is the client's measure of a move,
 * and the only one that holds everything its user waited for.
 */
export const InterruptionReported = Type.Object(
  {
    vm: Name,
    user: Name,
    /** The end of the gap. */
    atMs: AtMs,
    /** How long no answer came that should have come; 0 where only connections were lost. */
    gapMs: GapMs,
    /** Connections that ended without being asked to. */
    resets: Count,
    /** Bytes that were sent and never answered. */
    lostBytes: Count,
  },
  closed,
);

/** A user begins to use a VM. `weight` is how much this user counts against the VM's other users. */
export const SessionAttached = Type.Object({ vm: Name, user: Name, atMs: AtMs, weight: Weight }, closed);

/** A user no longer uses a VM. */
export const SessionDetached = Type.Object({ vm: Name, user: Name, atMs: AtMs }, closed);

/** What has to be known of a VM to predict what moving it costs. */
export const VmSpec = Type.Object(
  {
    ramBytes: RamBytes,
    /** Bytes a second the guest dirties when it starts to write, before pages repeat. */
    dirtyRateBps: RateBps,
    /** Writable working set: what the guest dirties at most, however long a pre-copy round takes. */
    workingSetBytes: WorkingSetBytes,
    /** Disk to mirror; 0 where storage is shared between the sites. */
    diskBytes: DiskBytes,
    /** Switch over as soon as the rest can be copied in this time. */
    downtimeLimitMs: DowntimeLimitMs,
    /** Below this round-trip time the users of the VM notice no difference. */
    targetRttMs: RttMs,
  },
  closed,
);

/** A VM is to be kept near its users; it runs at `home` now. */
export const VmDeclared = Type.Object({ vm: Name, atMs: AtMs, home: Name, spec: VmSpec }, closed);

/** A VM is no longer looked after. */
export const VmRetired = Type.Object({ vm: Name, atMs: AtMs }, closed);

/** A site's heartbeat. Two sites have one path for each provider that both have an uplink to. */
export const SiteReported = Type.Object(
  {
    site: Name,
    atMs: AtMs,
    lat: Lat,
    lon: Lon,
    /** How many VMs the site can run. */
    slots: Slots,
    /** The VMs that run there now. */
    vms: Type.Array(Name, { maxItems: MAX_VMS_NAMED }),
    /** True: no VM may come, and those that are there are to leave. */
    draining: Type.Boolean(),
    uplinks: Type.Array(Type.Object({ provider: Name, rateBps: LinkRateBps }, closed), { maxItems: MAX_UPLINKS }),
  },
  closed,
);

/** A site is no longer there: nothing goes there, and nobody speaks for it. It is there again with a later heartbeat. */
export const SiteRemoved = Type.Object({ site: Name, atMs: AtMs }, closed);

/** What a move is expected to take and to be worth, in user-milliseconds where it is a cost. */
export const Prediction = Type.Object(
  {
    durationMs: DurationMs,
    interruptionMs: DurationMs,
    bytes: SentBytes,
    costUserMs: CostUserMs,
    benefitUserMs: BenefitUserMs,
  },
  closed,
);

/** One site as the decision saw it. `rejected` names the filter that refused it. */
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

/** Why the VM is where it is, or goes where it goes. */
export const Explanation = Type.Object(
  {
    state: Word,
    policy: Word,
    reason: Reason,
    sessions: Count,
    homeServingUserMsPerS: ServingUserMsPerS,
    /** Time the users are expected to stay near the best site. */
    expectedStayMs: DurationMs,
    /** Age of the oldest position that counted. */
    oldestFixAgeMs: DurationMs,
    candidates: Type.Array(Candidate, { maxItems: MAX_CANDIDATES }),
  },
  closed,
);

/** What is decided of a VM; `cancel` takes a `move` back. */
export const Verdict = Type.Union([Type.Literal('move'), Type.Literal('stay'), Type.Literal('cancel')]);

/** A verdict on one VM. `decision` is the same however often it is computed: `<vm>:<seq>`. */
export const PlacementDecided = Type.Object(
  {
    decision: DecisionId,
    vm: Name,
    seq: Count,
    atMs: AtMs,
    verdict: Verdict,
    from: Name,
    /** Where to; for `stay` the home, for `cancel` the destination of the cancelled move. */
    to: Name,
    reason: Reason,
    source: Type.Union([Type.Literal('policy'), Type.Literal('evacuation'), Type.Literal('operator')]),
    prediction: Type.Optional(Prediction),
    /** The migration to cancel; only with `cancel`. */
    cancels: Type.Optional(DecisionId),
    /** The VM as it is to be moved; with `move`, and with `cancel` that of the cancelled move. */
    spec: Type.Optional(VmSpec),
    explanation: Explanation,
  },
  closed,
);

const migration = { migration: DecisionId, vm: Name, from: Name, to: Name, atMs: AtMs };

/** The phases of a migration, in order (DESIGN of the move: make before break). */
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

/** Where a migration ended: in a phase, or before the first. */
const PhaseOrQueue = Type.Union([...PhaseSchema.anyOf, Type.Literal('queue')]);

/** What a move cost, as measured. Published once, in the terminal event. */
export const Figures = Type.Object(
  {
    durationMs: DurationMs,
    /** VM stopped at the source until it runs at the destination; 0 where it never stopped. */
    pauseMs: DurationMs,
    /**
     * What a client saw: the longest gap in its traffic around the move. `clientGapMs` where a client reported one, else
     * the hypervisor adapter's estimate.
     */
    interruptionMs: DurationMs,
    /** The longest gap that a client itself reported, from the order to switch over until the end of the migration. */
    clientGapMs: Type.Optional(DurationMs),
    /**
     * What the hypervisor itself calls downtime, where it does. Too small: QEMU's leaves out what the destination takes
     * to load the rest and to resume, and said 5-6 ms where clients saw more than 400. Compare, do not promise by it.
     */
    hypervisorDowntimeMs: Type.Optional(DurationMs),
    /** How long each phase took, undoing included; phases that were not come to are absent. */
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
     * What was worse than planned: `single-path`, `forced-stop`, `release-incomplete`, `plain-tcp`,
     * `retargeted` (a copy stalled, and was begun again over another path), `post-copy` (it ran before all of its memory
     * was there: slower until then, and `pauseMs` is not all that was waited for), `clients-unjoined`, `vm-died` (at its
     * destination, before the move had ended).
     */
    degraded: Type.Array(Word, { maxItems: 64 }),
  },
  closed,
);

/** The migrator has taken a decision on; it waits for its turn. */
export const MigrationAccepted = Type.Object(migration, closed);
/** The first phase begins, over these paths. */
export const MigrationStarted = Type.Object({ ...migration, paths: PathIds }, closed);
/** How far a migration has come. */
export const MigrationProgressed = Type.Object(
  {
    ...migration,
    phase: PhaseSchema,
    round: Count,
    sentBytes: SentBytes,
    remainingBytes: SentBytes,
    rateBps: RateBps,
    subflows: Count,
    /** How the sent bytes are divided over the paths, where the hypervisor can tell. */
    bytesByPath: Type.Optional(BytesByPath),
  },
  closed,
);
/** The VM runs at the destination from now on. */
export const MigrationSwitched = Type.Object({ ...migration, pauseMs: DurationMs }, closed);
/** A migration has ended as it should. Terminal. */
export const MigrationCompleted = Type.Object({ ...migration, figures: Figures }, closed);
/** A migration failed: why, and where the VM runs. Terminal. */
export const MigrationFailed = Type.Object(
  {
    ...migration,
    phase: PhaseOrQueue,
    code: Word,
    reason: Reason,
    /** Where the VM runs now. */
    runsAt: Name,
    figures: Figures,
  },
  closed,
);
/** A migration was called off before the switch-over. Terminal. */
export const MigrationCancelled = Type.Object(
  { ...migration, phase: PhaseOrQueue, by: Reason, figures: Figures },
  closed,
);

/** Something that reached the bus and could not be used; kept so that it can be looked at and sent again. */
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
} as const;

/** The name of an event type, version included. */
export type EventType = keyof typeof SCHEMAS;
/** The payload of an event type. */
export type Data<T extends EventType> = Static<(typeof SCHEMAS)[T]>;
/** An event without its envelope: what the pure core takes and gives. */
export type Fact = { [T in EventType]: { readonly type: T; readonly data: Data<T> } }[EventType];
/** The facts of some types. */
export type FactOf<T extends EventType> = Extract<Fact, { type: T }>;

/** All event types, in the order of {@link SCHEMAS}. */
export const EVENT_TYPES = Object.keys(SCHEMAS) as EventType[];
/** A migration ends in exactly one of these. */
export const TERMINAL_TYPES = ['migration.completed.v1', 'migration.failed.v1', 'migration.cancelled.v1'] as const;
/** All that is published of a migration, in the order in which it comes. */
export const MIGRATION_TYPES = [
  'migration.accepted.v1',
  'migration.started.v1',
  'migration.progressed.v1',
  'migration.switched.v1',
  ...TERMINAL_TYPES,
] as const;

export type VmSpec = Static<typeof VmSpec>;
export type Prediction = Static<typeof Prediction>;
export type Candidate = Static<typeof Candidate>;
export type Explanation = Static<typeof Explanation>;
export type Figures = Static<typeof Figures>;
