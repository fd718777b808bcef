/**
 * The configuration: every key with its unit and its default. A file needs only the keys whose values differ from the defaults.
 * Unknown keys are refused. Units are in the names; `rateBps` is bytes a second.
 */
import Type, { type Static } from 'typebox';
import {
  MAX_PARTITIONS,
  MAX_RATE_BPS,
  MAX_RTT_MS,
  MAX_UPLINKS,
  MAX_USERS_PER_VM,
  MAX_VMS_NAMED,
  MAX_WEIGHT,
  MIN_WEIGHT,
} from '../events/bounds.ts';
import { SiteReported, VmDeclared } from '../events/types.ts';
import { DEFAULT_MOVE_MODEL } from '../model/move-model.ts';
import { DEFAULT_NETWORK } from '../model/network.ts';
import { Http } from './http.ts';
import { amount, closed, count, File, pause, Secret, section, share, time } from './values.ts';
import { AffinityInput, VmSpecInput } from './vm-input.ts';

const { site: SiteName, lat, lon, slots, uplinks } = SiteReported.properties;
const { provider, rateBps } = uplinks.items.properties;
const Name = VmDeclared.properties.vm;

const Hidden = Type.Optional(Type.String({ minLength: 1, maxLength: 4096, writeOnly: true }));

/** The credentials for the server. */
const Auth = Type.Object(
  {
    /** With `password`. */
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    password: Hidden,
    /** A file with `USER:PASSWORD`, instead of user and password. Each process may have another file at this path. */
    loginFile: Type.Optional(File),
    /** The SASL mechanism for user and password. Only Kafka. */
    mechanism: Type.Optional(Type.Enum(['plain', 'scram-sha-256', 'scram-sha-512'])),
    /** NATS takes one of `token`, `nkeySeed`, `credentialsFile`, or user and password. Kafka takes none of the three. */
    token: Hidden,
    /** The seed of an nkey, `SU…`. */
    nkeySeed: Hidden,
    /** A `.creds` file. */
    credentialsFile: Type.Optional(File),
  },
  closed,
);
/** PEM files. */
const Tls = Type.Object(
  {
    /** The certificate authority of the server. @default the authorities that Node trusts */
    ca: Type.Optional(File),
    /** The client certificate, if the server asks for one. */
    cert: Type.Optional(File),
    key: Type.Optional(File),
  },
  closed,
);

/** The keys that bus and store have in common. */
const server = {
  /** `memory:` is the memory of one process. `nats://HOST:PORT,HOST:PORT` or `kafka://…` names servers of one cluster. @default memory: */
  url: Type.String({ minLength: 1, maxLength: 4096, default: 'memory:' }),
  /** Begins the names of streams, topics and groups, so that several installations may share a server. @default tagalong */
  prefix: Type.String({ minLength: 1, maxLength: 64, default: 'tagalong' }),
  /** Copies of streams and topics in a cluster. It counts when they are created, at the first start. @default 1 */
  replicas: count(1, 15),
  auth: Type.Optional(Auth),
  /** Without this section the connection is not encrypted. */
  tls: Type.Optional(Tls),
};

/** The bus that carries the events. */
const Bus = section({
  ...server,
  /** The number of partitions. Never change it in an installation: another number assigns keys to other partitions. @default 16 */
  partitions: count(16, MAX_PARTITIONS),
  /** How long events are kept. It counts when streams and topics are created, at the first start. @default 604_800_000 */
  retentionMs: time(604_800_000),
  /** How long the records of the audit are kept, which has a stream of its own: 90 days. @default 7_776_000_000 */
  auditRetentionMs: time(7_776_000_000),
  /**
   * How long positions of users are kept; never longer than `retentionMs`. NATS keeps them for whole seconds, and needs nats-server 2.11:
   * older servers keep positions as long as other events. On Kafka it counts when the topic is created. @default 3_600_000 */
  locationRetentionMs: time(3_600_000),
});

/** The store of records. If its URL is that of the bus, it uses `auth` and `tls` of the bus unless it has its own. */
const Store = section(server);

const Tracing = section({
  /** The address of an OTLP collector over HTTP, `http://HOST:4318`. It receives each move as a trace. Without it there are no traces. */
  otlpUrl: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  /** Sent as `Authorization: Bearer …`. */
  token: Secret,
});

const Log = section({
  /** Lines below this level are not written. @default info */
  level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info' }),
});

const Plausibility = section({
  /** A position counts as implausible if the user would have moved faster. 90 m/s is an express train. @default 90 */
  maxSpeedMps: Type.Number({ minimum: 0.001, maximum: 1e12, default: 90 }),
  /** How far a position's time may be ahead of the clock. @default 60_000 */
  maxFutureMs: pause(60_000),
  /** Older positions are ignored. @default 600_000 */
  maxAgeMs: time(600_000),
  /** If this many positions in a row agree with each other but not with the track, the track was wrong. @default 3 */
  reanchorFixes: count(3, 1000),
});

/** A cell, an access point or a zone to which an operator's network refers by name. */
const Place = Type.Object({ place: Type.String({ minLength: 1, maxLength: 256 }), lat, lon }, closed);

/** A NATS server whose MQTT gateway receives the messages of OwnTracks. */
const Mqtt = Type.Object(
  {
    /** The address of the server, `nats://HOST:PORT,HOST:PORT`. This is not the address of its MQTT gateway. */
    url: Type.String({ minLength: 1, maxLength: 4096 }),
    /** Begins the name of the stream that stores messages until ingest has processed them. @default tagalong */
    prefix: server.prefix,
    replicas: server.replicas,
    auth: server.auth,
    tls: server.tls,
    /** The seed of the account nkey, `SA…`, with which ingest signs the logins of phones with issued tokens. Without it the server alone knows their users. */
    issuerSeed: Hidden,
  },
  closed,
);

const Quotas = section({
  /** The most VMs. @default 100_000 */
  vms: count(100_000, 10_000_000),
  /** The most VMs that one user is attached to. Each position of the user becomes an event for each of them. @default 64 */
  sessionsPerUser: count(64, 1000),
  /** The most users that are attached to one VM. @default 100 */
  usersPerVm: count(100, MAX_USERS_PER_VM),
});

const Ingest = section({
  /** The key of the pseudonyms (HMAC-SHA256). With it bus and store contain pseudonyms, without it the users' own ids. */
  pseudonymKey: Secret,
  /** Former keys, during a change: sessions and tokens that were made under them move to the pseudonyms of `pseudonymKey`. @default none */
  formerPseudonymKeys: Type.Array(Type.String({ minLength: 16, maxLength: 512, writeOnly: true }), {
    maxItems: 2,
    default: [],
  }),
  plausibility: Plausibility,
  /** Requests beyond these limits are refused (QUOTA_EXCEEDED). */
  quotas: Quotas,
  /** The positions of the areas that ETSI MEC 013 names. Each site is also an area, with the site's name. */
  places: Type.Array(Place, { maxItems: 1_000_000, default: [] }),
  /** Without this section OwnTracks can send over HTTP only. */
  mqtt: Type.Optional(Mqtt),
});

const Network = section({
  /** Round trip of the user's last mile. @default 10 */
  accessMs: amount(DEFAULT_NETWORK.accessMs, MAX_RTT_MS),
  /** Round trip in a kilometre of fibre. @default 0.01 */
  msPerKm: amount(DEFAULT_NETWORK.msPerKm, 1),
  /** Length of the cable ÷ distance. @default 2.1 */
  detour: Type.Number({ minimum: 1, maximum: 100, default: DEFAULT_NETWORK.detour }),
  /** Added if the VM is not at the site nearest to the user. @default 2 */
  transitMs: amount(DEFAULT_NETWORK.transitMs, MAX_RTT_MS),
});

const Move = section({
  /** The share of the paths' rates that a migration achieves. */
  efficiency: section({
    /** Over one path. @default 0.95 */
    single: share(DEFAULT_MOVE_MODEL.efficiency.single),
    /** Over several paths at once. @default 0.92 */
    multi: share(DEFAULT_MOVE_MODEL.efficiency.multi),
  }),
  /** The highest rate of one migration stream, whatever its paths. @default 1_250_000_000 */
  hostRateBps: Type.Number({ minimum: 1, maximum: MAX_RATE_BPS, default: DEFAULT_MOVE_MODEL.hostRateBps }),
  /** How long the preparation takes: reserve the slot, start the receiver, stretch the LANs. */
  prepareMs: section({
    /** Over one path. @default 1000 */
    single: pause(DEFAULT_MOVE_MODEL.prepareMs.single),
    /** Over several paths. @default 1500 */
    multi: pause(DEFAULT_MOVE_MODEL.prepareMs.multi),
  }),
  /** From the new address in the guest until the clients have joined it. @default 300 */
  announceMs: pause(DEFAULT_MOVE_MODEL.announceMs),
  /** From the transfer of the device state to the first instruction at the destination. @default 20 */
  resumeMs: pause(DEFAULT_MOVE_MODEL.resumeMs),
  /** How long the release of the old address, the tunnels and the source takes. @default 500 */
  releaseMs: pause(DEFAULT_MOVE_MODEL.releaseMs),
  /** The most pre-copy rounds. After them the VM is stopped to copy the rest. @default 30 */
  maxRounds: count(DEFAULT_MOVE_MODEL.maxRounds, 1000),
  /** The longest pause of such a forced stop. If it would take longer, the move is given up. @default 5000 */
  maxPauseMs: pause(DEFAULT_MOVE_MODEL.maxPauseMs),
  /**
   * How the dirtied memory grows: `saturating` if a guest writes at random places of its working set; `capped` if it writes each page
   * once, as in SimGrid. @default saturating */
  dirtying: Type.Enum(['saturating', 'capped'], { default: DEFAULT_MOVE_MODEL.dirtying }),
});

const Policy = section({
  /** The policy that decides. @default tagalong */
  name: Type.String({ minLength: 1, maxLength: 128, default: 'tagalong' }),
  /** How long another site must stay better before the VM moves there. @default 5000 */
  dwellMs: pause(5000),
  /** How long after a move the VM does not move again. @default 30_000 */
  coolingMs: pause(30_000),
  /** How long after a move the VM does not return to the site that it left. @default 300_000 */
  returnPauseMs: pause(300_000),
  /** The predicted benefit of a move must be at least this many times its predicted cost. @default 1.5 */
  margin: Type.Number({ minimum: 1, maximum: 1_000_000, default: 1.5 }),
  /** The expected stay of users whose stays have not been observed yet. @default 600_000 */
  priorStayMs: time(600_000),
  /** The most moves of one VM in an hour. @default 12 */
  maxMovesPerHour: count(12),
  /** The wait after a failed move. It doubles after each further failure. @default 60_000 */
  backOffMs: time(60_000),
  /** The longest wait after a failed move. @default 1_800_000 */
  maxBackOffMs: time(1_800_000),
  /** A user without a position for this long no longer counts. @default 900_000 */
  sessionTimeoutMs: time(900_000),
  /** A site without a heartbeat for this long counts as silent: no VM moves there. @default 30_000 */
  siteSilentMs: time(30_000),
  /** The cost of the slowdown during a migration, in user-milliseconds per user and second. @default 2 */
  slowdownUserMsPerS: amount(2, 1000),
  /** The cost of sent data, in user-milliseconds a gigabyte (10^9 bytes). @default 20 */
  priceUserMsPerGb: amount(20, 1_000_000_000),
});

const Limits = section({
  /** The most migrations at a time that begin or end at one site: a safety bound, because moves take turns. @default 100 */
  movesPerSite: count(100),
  /** The most migrations at a time over one path: a safety bound. @default 100 */
  movesPerPath: count(100),
  /** How long an accepted move may wait for a free slot of these limits. @default 60_000 */
  queueMs: pause(60_000),
  /** How long a step of a move may make no progress. @default 60_000 */
  stepTimeoutMs: time(60_000),
});

/** The image and the processors of a VM. */
const Machine = section({
  /** The name of an image that the agents of the sites have. @default default */
  image: Type.String({ minLength: 1, maxLength: 128, default: 'default' }),
  /** The number of processors. @default 1 */
  vcpus: count(1, 512),
});

const Hypervisor = section({
  /** The hypervisor of the VMs: a model that computes moves, or QEMU through the agents of the sites. @default simulated */
  kind: Type.Enum(['simulated', 'qemu'], { default: 'simulated' }),
  /** PEM files: the authority of the agents' certificates, and a certificate of that authority for the name `control`. Only qemu. */
  tls: Type.Optional(Type.Object({ ca: File, cert: File, key: File, crl: Type.Optional(File) }, closed)),
  /** Image and processors of VMs whose declaration does not name any. Only qemu. */
  machine: Machine,
  /** When the new address is announced: `before` the switch-over (make before break), or `after` the move. @default before */
  announce: Type.Enum(['before', 'after'], { default: 'before' }),
  /** How long the move waits for clients to join the new address. @default 5000 */
  joinMs: pause(5_000),
  /** A copy without progress for this long starts again over another path; without another path the move is given up. @default 15_000 */
  stallMs: time(15_000),
  /**
   * Finishes the move of a VM that writes memory faster than the paths can carry: the VM runs at its destination before all of its
   * memory has arrived. If a QEMU process at either end dies during that time, the VM's memory is lost. Without post-copy such a move is
   * given up. It excludes the agents' `qemu.compression`. Only qemu. @default false */
  postCopy: Type.Boolean({ default: false }),
});

const Dashboard = section({
  /**
   * The viewers of positions of users on the dashboard: people who have signed in, or everybody. Without `http.token` and `http.oidc`
   * everybody sees them. @default signed-in */
  users: Type.Enum(['signed-in', 'everybody'], { default: 'signed-in' }),
  /** Raster tiles, `https://HOST/{z}/{x}/{y}.png`, that replace the shipped map. Browsers load them from that host. */
  tilesUrl: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
  /** The credit for the tiles, which the map shows. */
  tilesAttribution: Type.Optional(Type.String({ maxLength: 256 })),
  /** For a dashboard in a process of its own: the addresses of the other processes, `http://HOST:PORT`, for its requests. @default none */
  services: Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), { maxItems: 1000, default: [] }),
});

/** A site as the configuration or an operator declares it. */
export const SiteInput = Type.Object(
  {
    site: SiteName,
    lat,
    lon,
    /** How many VMs the site can run. */
    slots,
    /** True: no VM may move there, and the VMs at the site move away. @default false */
    draining: Type.Boolean({ default: false }),
    uplinks: Type.Array(
      Type.Object(
        {
          provider,
          rateBps,
          /**
           * The IP address of the site's host in the provider's network. An answer of the site's agent that names another one is refused.
           * Without it, the agent may name the address of any one host. Only qemu.
           */
          address: Type.Optional(Type.String({ minLength: 2, maxLength: 45 })),
        },
        closed,
      ),
      { maxItems: MAX_UPLINKS },
    ),
    /** The address of the site's agent: `https://host:port`, or `unix:/path` on the same host. Only qemu. */
    agent: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  },
  closed,
);

/** A receiver of moves: of each accepted move and of its outcome, in the form of ETSI MEC 021. */
const Webhook = Type.Object(
  {
    /** The name in logs and dead letters. Do not change it: the record of delivered moves is stored under this name. */
    name: Name,
    /** The address of the POST requests, `http://` or `https://`. */
    url: Type.String({ minLength: 1, maxLength: 4096, writeOnly: true }),
    /** Sent as `Authorization: Bearer …`. */
    token: Secret,
    /** Signs each request, as Standard Webhooks defines it: `whsec_` and 24 to 64 random bytes in base64. */
    signingKey: Type.Optional(
      Type.String({ minLength: 38, maxLength: 94, pattern: '^whsec_[A-Za-z0-9+/]{30,88}={0,2}$', writeOnly: true }),
    ),
  },
  closed,
);

const Session = Type.Object(
  {
    user: Type.String({ minLength: 1, maxLength: 256 }),
    /** The weight of this user relative to the VM's other users. @default 1 */
    weight: Type.Number({ minimum: MIN_WEIGHT, maximum: MAX_WEIGHT, default: 1 }),
  },
  closed,
);

const Vm = Type.Object(
  {
    vm: Name,
    /** The site where the VM runs at first. */
    home: SiteName,
    spec: VmSpecInput,
    /** The sites where it may run, and its preferences among them. Absent: any site. */
    affinity: Type.Optional(AffinityInput),
    /** Image and processors. Only qemu. @default hypervisor.machine */
    machine: Type.Optional(Machine),
    sessions: Type.Array(Session, { maxItems: MAX_USERS_PER_VM, default: [] }),
  },
  closed,
);

/** The whole configuration. */
export const ConfigSchema = section({
  /** The name of this installation, if several share a server. @default none: its sites identify it */
  installation: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' })),
  http: Http,
  bus: Bus,
  store: Store,
  log: Log,
  tracing: Tracing,
  ingest: Ingest,
  network: Network,
  move: Move,
  policy: Policy,
  limits: Limits,
  hypervisor: Hypervisor,
  dashboard: Dashboard,
  sites: Type.Array(SiteInput, { maxItems: MAX_VMS_NAMED, default: [] }),
  vms: Type.Array(Vm, { maxItems: MAX_VMS_NAMED, default: [] }),
  webhooks: Type.Array(Webhook, { maxItems: 1000, default: [] }),
  /** The time between two heartbeats of a site. @default 5000 */
  heartbeatMs: time(5000),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A checked configuration with all defaults filled in. Frozen. */
export type Config = DeepReadonly<Static<typeof ConfigSchema>>;
/** The HTTP server: address, authentication, limits. */
export type HttpConfig = Config['http'];
/** The connection of a bus or a store. */
export type ServerConfig = Config['store'];
/** Pseudonyms, plausibility, quotas, places and MQTT. */
export type IngestConfig = Config['ingest'];
/** The limits of plausible positions. */
export type PlausibilityLimits = IngestConfig['plausibility'];
/** The settings of the placement policy. */
export type PolicyConfig = Config['policy'];
/** The limits of migrations: how many at a time, and how long. */
export type LimitsConfig = Config['limits'];
/** A site as the configuration declares it. */
export type SiteConfig = Config['sites'][number];
