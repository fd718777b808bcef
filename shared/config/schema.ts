/**
 * The configuration: every key, its unit and its default, in one place. A file gives only what differs from the
 * defaults; a key that is not known here is refused. Units are in the names; `rateBps` is bytes a second.
 */
import Type, { type Static } from 'typebox';
import { MAX_RATE_BPS, MAX_RTT_MS, MAX_USERS_PER_VM, MAX_VMS_NAMED, MAX_WEIGHT, MIN_WEIGHT } from '../events/bounds.ts';
import { SiteReported, VmDeclared, VmSpec } from '../events/types.ts';
import { DEFAULT_MOVE_MODEL } from '../model/move-model.ts';
import { DEFAULT_NETWORK } from '../model/network.ts';
import { amount, closed, count, File, pause, Secret, section, share, time } from './values.ts';

const { site: SiteName, lat, lon, slots, uplinks } = SiteReported.properties;
const Name = VmDeclared.properties.vm;

const Http = section({
  /** The address to listen on. Any but a loopback address needs a `token`. @default 127.0.0.1 */
  host: Type.String({ minLength: 1, maxLength: 255, default: '127.0.0.1' }),
  /** 0: whichever port is free. @default 8080 */
  port: Type.Integer({ minimum: 0, maximum: 65_535, default: 8080 }),
  /** What a client has to show for everything under /v1 (`Authorization: Bearer …`). Without one, nobody is asked. */
  token: Secret,
  /** An OpenID Connect provider whose access tokens (JWT) are taken as well. For people, instead of a token that all share. */
  oidc: Type.Optional(
    Type.Object(
      {
        /** As the provider calls itself: `https://HOST/…`. */
        issuer: Type.String({ minLength: 1, maxLength: 4096 }),
        /** Whom its tokens have to be for. */
        audience: Type.String({ minLength: 1, maxLength: 4096 }),
      },
      closed,
    ),
  ),
  /** PEM files. Absent: http, not https. */
  tls: Type.Optional(Type.Object({ cert: File, key: File }, closed)),
  /** The largest request body. @default 1_048_576 */
  bodyLimitBytes: count(1_048_576, 1_073_741_824),
  /** Requests that one client address may make. @default 6000 */
  requestsPerMinute: count(6000),
});

const Hidden = Type.Optional(Type.String({ minLength: 1, maxLength: 4096, writeOnly: true }));

/** Who we are to the server. */
const Auth = Type.Object(
  {
    /** With `password`. */
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    password: Hidden,
    /** How user and password are shown. Only kafka. */
    mechanism: Type.Optional(Type.Enum(['plain', 'scram-sha-256', 'scram-sha-512'])),
    /** Only nats, as are the next two; one of them, or user and password. */
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
    /** The authority of the server's certificate. @default those that Node trusts */
    ca: Type.Optional(File),
    /** Our own certificate, where the server asks for one. */
    cert: Type.Optional(File),
    key: Type.Optional(File),
  },
  closed,
);

/** What bus and store have in common. */
const server = {
  /** `memory:` is one process's own; `nats://HOST:PORT,HOST:PORT` or `kafka://…`: servers of one cluster. @default memory: */
  url: Type.String({ minLength: 1, maxLength: 4096, default: 'memory:' }),
  /** Begins the names of all that is kept there: installations may share a server. @default tagalong */
  prefix: Type.String({ minLength: 1, maxLength: 64, default: 'tagalong' }),
  /** Copies in a cluster, of what is made there at the first start. @default 1 */
  replicas: count(1, 15),
  auth: Type.Optional(Auth),
  /** Absent: in the clear. */
  tls: Type.Optional(Tls),
};

/** Which bus carries the events. */
const Bus = section({
  ...server,
  /** Partitions of the keys. Fixed when an installation begins: another number moves keys. @default 16 */
  partitions: count(16, 4096),
  /** How long events are kept, of what is made there at the first start. @default 604_800_000 */
  retentionMs: time(604_800_000),
});

/** Where records are kept. With the URL of the bus, `auth` and `tls` of the bus count where there are none here. */
const Store = section(server);

const Tracing = section({
  /** A collector that takes OTLP over HTTP, `http://HOST:4318`: moves are sent there as traces. Without one none are. */
  otlpUrl: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  /** Sent as `Authorization: Bearer …`. */
  token: Secret,
});

const Log = section({
  /** The least important level that is written. @default info */
  level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info' }),
});

const Plausibility = section({
  /** Whoever seems to move faster is not believed; 90 m/s is an express train. @default 90 */
  maxSpeedMps: Type.Number({ minimum: 0.001, maximum: 1e12, default: 90 }),
  /** How far a client's clock may be ahead. @default 60_000 */
  maxFutureMs: pause(60_000),
  /** Older positions are not acted on. @default 600_000 */
  maxAgeMs: time(600_000),
  /** So many fixes in a row that agree with each other but not with the track: it was the track. @default 3 */
  reanchorFixes: count(3, 1000),
});

/** A cell, an access point or a zone that an operator's network speaks of by name. */
const Place = Type.Object({ place: Type.String({ minLength: 1, maxLength: 256 }), lat, lon }, closed);

/** A NATS server whose MQTT gateway takes what OwnTracks publishes. */
const Mqtt = Type.Object(
  {
    /** `nats://HOST:PORT,HOST:PORT` of the server, not the address of its MQTT gateway. */
    url: Type.String({ minLength: 1, maxLength: 4096 }),
    /** Begins the name of the stream that keeps messages until they are taken in. @default tagalong */
    prefix: server.prefix,
    replicas: server.replicas,
    auth: server.auth,
    tls: server.tls,
  },
  closed,
);

const Quotas = section({
  /** VMs that may be declared. @default 100_000 */
  vms: count(100_000, 10_000_000),
  /** VMs that one user may be attached to: each position of the user becomes as many events. @default 64 */
  sessionsPerUser: count(64, 1000),
  /** Users that may be attached to one VM. @default 100 */
  usersPerVm: count(100, MAX_USERS_PER_VM),
});

const Ingest = section({
  /** Key of the pseudonyms (HMAC-SHA256) under which users appear on the bus. Without one, ids are passed as they are. */
  pseudonymKey: Secret,
  plausibility: Plausibility,
  /** What goes beyond them is refused (QUOTA_EXCEEDED). */
  quotas: Quotas,
  /** Where the areas are that ETSI MEC 013 names; a site is one too, under its own name. */
  places: Type.Array(Place, { maxItems: 1_000_000, default: [] }),
  /** Absent: OwnTracks is taken over HTTP alone. */
  mqtt: Type.Optional(Mqtt),
});

const Network = section({
  /** The user's last mile, both ways. @default 10 */
  accessMs: amount(DEFAULT_NETWORK.accessMs, MAX_RTT_MS),
  /** Round trip in fibre. @default 0.01 */
  msPerKm: amount(DEFAULT_NETWORK.msPerKm, 1),
  /** Cable length ÷ distance. @default 2.1 */
  detour: Type.Number({ minimum: 1, maximum: 100, default: DEFAULT_NETWORK.detour }),
  /** Added where the VM is not at the site nearest to the user. @default 2 */
  transitMs: amount(DEFAULT_NETWORK.transitMs, MAX_RTT_MS),
});

const Move = section({
  /** Share of the paths' rates that a migration achieves. */
  efficiency: section({
    /** Over one path. @default 0.95 */
    single: share(DEFAULT_MOVE_MODEL.efficiency.single),
    /** Over several at once. @default 0.92 */
    multi: share(DEFAULT_MOVE_MODEL.efficiency.multi),
  }),
  /** The most one migration stream sends, whatever its paths. @default 1_250_000_000 */
  hostRateBps: Type.Number({ minimum: 1, maximum: MAX_RATE_BPS, default: DEFAULT_MOVE_MODEL.hostRateBps }),
  /** Reserve, start the receiver, stretch the LANs. */
  prepareMs: section({
    /** Over one path. @default 1000 */
    single: pause(DEFAULT_MOVE_MODEL.prepareMs.single),
    /** Over several. @default 1500 */
    multi: pause(DEFAULT_MOVE_MODEL.prepareMs.multi),
  }),
  /** New address in the guest until the clients have joined it. @default 300 */
  announceMs: pause(DEFAULT_MOVE_MODEL.announceMs),
  /** Device state and the first instruction at the destination. @default 20 */
  resumeMs: pause(DEFAULT_MOVE_MODEL.resumeMs),
  /** @default 500 */
  releaseMs: pause(DEFAULT_MOVE_MODEL.releaseMs),
  /** Pre-copy rounds before the VM is stopped by force. @default 30 */
  maxRounds: count(DEFAULT_MOVE_MODEL.maxRounds, 1000),
  /** The longest pause a forced stop may take; beyond it the move is given up. @default 5000 */
  maxPauseMs: pause(DEFAULT_MOVE_MODEL.maxPauseMs),
  /** How dirtied memory grows: a guest writes anywhere in its working set, or `capped`: to each page once, as in SimGrid. @default saturating */
  dirtying: Type.Enum(['saturating', 'capped'], { default: DEFAULT_MOVE_MODEL.dirtying }),
});

const Policy = section({
  /** Which policy decides. @default tagalong */
  name: Type.String({ minLength: 1, maxLength: 128, default: 'tagalong' }),
  /** How long another site must stay the better one before a VM follows. @default 5000 */
  dwellMs: pause(5000),
  /** No further move of a VM for so long after one. @default 30_000 */
  coolingMs: pause(30_000),
  /** A VM does not go back to the site it came from for so long. @default 300_000 */
  returnPauseMs: pause(300_000),
  /** A move must be worth this many times what it costs. @default 1.5 */
  margin: Type.Number({ minimum: 1, maximum: 1_000_000, default: 1.5 }),
  /** How long users are expected to stay where nothing is known of them yet. @default 600_000 */
  priorStayMs: time(600_000),
  /** Moves of one VM. @default 12 */
  maxMovesPerHour: count(12),
  /** Wait after a failed move; doubled each time it fails again. @default 60_000 */
  backOffMs: time(60_000),
  /** Where the doubling ends. @default 1_800_000 */
  maxBackOffMs: time(1_800_000),
  /** A user who says nothing for so long no longer counts. @default 900_000 */
  sessionTimeoutMs: time(900_000),
  /** A site without a heartbeat for so long counts as dead. @default 30_000 */
  siteSilentMs: time(30_000),
  /** What running slower during a migration costs, per user and second. @default 2 */
  slowdownUserMsPerS: amount(2, 1000),
  /** What sending costs, in user-milliseconds a gigabyte (10^9 bytes). @default 20 */
  priceUserMsPerGb: amount(20, 1_000_000_000),
});

const Limits = section({
  /** Migrations at once that begin or end at one site. @default 2 */
  movesPerSite: count(2),
  /** Migrations at once over one path. @default 2 */
  movesPerPath: count(2),
  /** How long an accepted move may wait for its turn. @default 60_000 */
  queueMs: pause(60_000),
  /** The longest a step of a move may go without progress. @default 60_000 */
  stepTimeoutMs: time(60_000),
});

/** What a VM is made of, beyond its figures. */
const Machine = section({
  /** One of the images that the sites' agents have. @default default */
  image: Type.String({ minLength: 1, maxLength: 128, default: 'default' }),
  /** Processors. @default 1 */
  vcpus: count(1, 512),
});

const Hypervisor = section({
  /** What runs the VMs: nothing but arithmetic, or QEMU behind the agents of the sites. @default simulated */
  kind: Type.Enum(['simulated', 'qemu'], { default: 'simulated' }),
  /** PEM files: the authority of the agents' certificates, and a certificate of it for the name `control`. Only qemu. */
  tls: Type.Optional(Type.Object({ ca: File, cert: File, key: File }, closed)),
  /** What VMs are made of that say nothing themselves. Only qemu. */
  machine: Machine,
  /** Make before break, or the paper's order: the new address is announced before or after the move. @default before */
  announce: Type.Enum(['before', 'after'], { default: 'before' }),
  /** How long clients have to join the new address. @default 5000 */
  joinMs: pause(5_000),
  /** A copy that moves no byte for so long is begun again over another path, or given up. @default 15_000 */
  stallMs: time(15_000),
  /**
   * Lets a VM that writes faster than the paths carry run on at its destination before all of its memory is there, where its
   * move would be given up otherwise. A QEMU that dies then, at either end, takes what was in the VM's memory with it. Not
   * with the agents' `qemu.compression`. Only qemu. @default false */
  postCopy: Type.Boolean({ default: false }),
});

const Dashboard = section({
  /** Whose pages show users, by pseudonym, and where they are. Where nobody is asked for a token, all of them. @default signed-in */
  users: Type.Enum(['signed-in', 'everybody'], { default: 'signed-in' }),
  /** Raster tiles, as `https://HOST/{z}/{x}/{y}.png`, instead of the map that is shipped; browsers ask that host for them. */
  tilesUrl: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
  /** Whom the tiles are owed to; shown on the map. */
  tilesAttribution: Type.Optional(Type.String({ maxLength: 256 })),
  /** Where it runs alone: addresses of the other processes, `http://HOST:PORT`, which carry out what its pages ask for. @default none */
  services: Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), { maxItems: 1000, default: [] }),
});

/** A site as a file or an operator declares it. */
export const SiteInput = Type.Object(
  {
    site: SiteName,
    lat,
    lon,
    /** How many VMs the site can run. */
    slots,
    /** True: no VM may come, and those that are there are to leave. @default false */
    draining: Type.Boolean({ default: false }),
    uplinks,
    /** Where the site's agent takes orders: `https://host:port`, or `unix:/path` on the same host. Only qemu. */
    agent: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  },
  closed,
);

/** Somebody who is told of each move that is accepted, and what became of it, as ETSI MEC 021 has it. */
const Webhook = Type.Object(
  {
    /** Names it in logs and dead letters. Fixed: under it is kept what it was told. */
    name: Name,
    /** Where to POST to, `http://` or `https://`. */
    url: Type.String({ minLength: 1, maxLength: 4096, writeOnly: true }),
    /** Sent as `Authorization: Bearer …`. */
    token: Secret,
  },
  closed,
);

/** A VM's figures as a user gives them: what has a usual value may be left out. */
export const VmSpecInput = Type.Object(
  {
    ...VmSpec.properties,
    /** 0 where storage is shared between the sites. @default 0 */
    diskBytes: Type.Number({ ...VmSpec.properties.diskBytes, default: 0 }),
    /** QEMU's own default. @default 300 */
    downtimeLimitMs: Type.Number({ ...VmSpec.properties.downtimeLimitMs, default: 300 }),
    /** Below this round-trip time the users notice no difference. @default 10 */
    targetRttMs: Type.Number({ ...VmSpec.properties.targetRttMs, default: 10 }),
  },
  closed,
);

const Session = Type.Object(
  {
    user: Type.String({ minLength: 1, maxLength: 256 }),
    /** How much this user counts against the VM's other users. @default 1 */
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
    /** What it is made of. Only qemu. @default hypervisor.machine */
    machine: Type.Optional(Machine),
    sessions: Type.Array(Session, { maxItems: MAX_USERS_PER_VM, default: [] }),
  },
  closed,
);

/** The whole configuration. */
export const ConfigSchema = section({
  /** What this installation is called, where several use one server. @default none: it is known by its sites */
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
  /** How often a site says that it is there. @default 5000 */
  heartbeatMs: time(5000),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A configuration that was checked, with every default filled in. Frozen. */
export type Config = DeepReadonly<Static<typeof ConfigSchema>>;
/** Where the process is asked. */
export type HttpConfig = Config['http'];
/** A bus or a store, and how it is reached. */
export type ServerConfig = Config['store'];
/** What is made of what clients say. */
export type IngestConfig = Config['ingest'];
/** What is believed of a position. */
export type PlausibilityLimits = IngestConfig['plausibility'];
/** When a VM follows its users. */
export type PolicyConfig = Config['policy'];
/** What may be under way at once, and how long. */
export type LimitsConfig = Config['limits'];
/** A place that can run VMs, as it is at the start. */
export type SiteConfig = Config['sites'][number];
