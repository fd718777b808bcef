/**
 * The protocol between the migrator and the agents of the sites: HTTP and JSON with mutual TLS. Every order names its migration
 * and may be repeated; the agent answers with the VM's state after it. Names on the wire stay as they are: `landing` is a
 * {@link ReceiverInfo}, `carriage` are {@link SubflowStats}.
 *
 * ```
 *  source                          destination
 *            ◄── status ──►
 *                                  receive   start the receiving QEMU, stretch its LAN   ─► landing with token
 *  leave     the other ends
 *  announce  guest takes the address, clients join
 *  mirror    disk
 *  copy      memory
 *  stop      the VM stands still   expect    point the LANs at the destination
 *  handOver  last pages; for good
 *                                  resume    with the token: it runs
 *  [reconnect                      recover   post-copy whose path broke, over another]
 *  release   what is left goes     settle    the old address is taken back
 * ```
 *
 * The **token** is a fencing token: it names one receiving QEMU and is made anew each time. Only that QEMU may be resumed, and only
 * after the source has written down that it will never run the VM again (`handOver`). The source takes the VM back (`abort` with
 * `voided`) only after the destination has discarded this token for good (`discard`).
 */
import { isIP } from 'node:net';
import Type, { type Static } from 'typebox';
import { VmDeclared, VmSpec } from '../../events/types.ts';

const closed = { additionalProperties: false } as const;
const Name = VmDeclared.properties.vm;
/** `<vm>:<number>`, for a VM whose name is as long as it may be. */
const MigrationId = Type.String({ ...Name, maxLength: 145 });
/** More than the largest disk. */
const Bytes = Type.Number({ minimum: 0, maximum: 1e16 });
/** Bytes a second: a terabyte. */
const RateBps = Type.Number({ minimum: 0, maximum: 1e12 });
/** Ten days. */
const Ms = Type.Number({ minimum: 0, maximum: 864_000_000 });
const Count = Type.Integer({ minimum: 0, maximum: 1_000_000_000 });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
/** The last millisecond of the year 9999. */
const AtMs = Type.Number({ minimum: 0, maximum: 253_402_300_799_999 });
/** Providers that a site has an uplink to. */
const MOST_PATHS = 64;

/** An IP address without a zone. Nothing else may be passed on to the kernel, to QEMU or to a guest in its place. */
export const Address = Type.Refine(
  Type.String({ minLength: 2, maxLength: 45 }),
  (text: string) => isIP(text) !== 0 && !text.includes('%'),
  () => 'must be an IP address',
);

/** `T` with all members readonly, at any depth. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** What a VM is made of. `image` names one of the images that every site has. */
export const Machine = Type.Object(
  { image: Name, vcpus: Type.Integer({ minimum: 1, maximum: 512 }), spec: VmSpec },
  closed,
);
/** What a VM is made of. */
export type Machine = DeepReadonly<Static<typeof Machine>>;

/** One end of a migration's path. */
const Endpoint = Type.Object({ provider: Name, address: Address }, closed);
/** One end of a migration's path: a provider, and a host's address there. */
export type Endpoint = DeepReadonly<Static<typeof Endpoint>>;

/** A guest's address on a site's LAN. */
const LanAddress = Type.Object(
  { address: Address, prefix: Type.Integer({ minimum: 0, maximum: 128 }), gateway: Address },
  closed,
);
/** A guest's address on a site's LAN. */
export type LanAddress = DeepReadonly<Static<typeof LanAddress>>;

const move = { migration: MigrationId };

/** Starts a VM at this site. */
export const StartOrder = Type.Object({ machine: Machine }, closed);
/** Prepares to receive a VM. `nic`: which of its two network cards will be on this site's LAN. */
export const ReceiveOrder = Type.Object(
  {
    ...move,
    from: Name,
    machine: Machine,
    nic: Type.Union([Type.Literal(0), Type.Literal(1)]),
    /** The source's addresses on the common paths, the preferred one first. The LANs are stretched over the first that answers. */
    sources: Type.Array(Endpoint, { minItems: 1, maxItems: MOST_PATHS }),
    /** The port at which the source answers that it can be reached. */
    answerPort: Port,
    /** The move is given up where none of them answers for so long. */
    stallMs: Ms,
    /** Whether the VM may be resumed before all of its memory is here. */
    postCopy: Type.Boolean(),
  },
  closed,
);
/** Prepares to receive a VM. */
export type ReceiveOrder = DeepReadonly<Static<typeof ReceiveOrder>>;

/** A receiving QEMU: where it waits for the VM, and what both ends have to agree on. */
export const ReceiverInfo = Type.Object(
  {
    token: Name,
    /** The source connects to the first that answers; multipath TCP announces the others. */
    endpoints: Type.Array(Endpoint, { minItems: 1, maxItems: MOST_PATHS }),
    /** The port at which this site answers that it can be reached. */
    answerPort: Port,
    memoryPort: Port,
    diskPort: Port,
    lan: LanAddress,
    /** The token under which the VM left this site: its disk is still here as it was then. */
    kept: Type.Optional(Name),
    /** Both QEMUs have to set these alike. */
    postCopy: Type.Boolean(),
    compression: Type.Union([Type.Literal('none'), Type.Literal('zstd')]),
  },
  closed,
);
/** A receiving QEMU: where it waits for the VM, and what both ends have to agree on. */
export type ReceiverInfo = DeepReadonly<Static<typeof ReceiverInfo>>;

/** The source: the VM leaves for that receiver. */
export const LeaveOrder = Type.Object({ ...move, to: Name, landing: ReceiverInfo }, closed);
/** The source: the VM leaves for that receiver. */
export type LeaveOrder = DeepReadonly<Static<typeof LeaveOrder>>;

/** The source: copy the memory, with the limits after which the copy is over or given up. */
export const CopyOrder = Type.Object(
  {
    ...move,
    maxRounds: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
    maxPauseMs: Ms,
    /** No byte for so long: the copy has stalled. */
    stallMs: Ms,
  },
  closed,
);
/** The source: copy the memory, with the limits after which the copy is over or given up. */
export type CopyOrder = DeepReadonly<Static<typeof CopyOrder>>;

/** The source: send the memory that is missing in post-copy to another port. */
const ReconnectOrder = Type.Object({ ...move, port: Port, stallMs: Ms }, closed);

/** An order that needs nothing but its migration. */
export const MoveOrder = Type.Object(move, closed);
/** An order to the destination; the token names the receiver. */
export const TokenOrder = Type.Object({ ...move, token: Name }, closed);

/**
 * How far memory or disk has been copied, in bytes since this copy began. `copying`; `ready`: the VM may be stopped for the rest;
 * `forced`: the rest is too large, but the VM is to be stopped; `post-copy`: the rest follows the VM; `stopped`: the VM stands
 * still for the rest; `sent`: all of it has arrived; `failed`.
 */
const CopyStatus = Type.Object({
  state: Type.Enum(['copying', 'ready', 'forced', 'post-copy', 'stopped', 'sent', 'failed']),
  sentBytes: Bytes,
  remainingBytes: Bytes,
  rounds: Count,
  rateBps: RateBps,
  failure: Type.Optional(Type.Object({ code: Type.String({ maxLength: 64 }), reason: Type.String() })),
});
/** How far memory or disk has been copied. */
export type CopyStatus = DeepReadonly<Static<typeof CopyStatus>>;

/** The kernel's figures of the connections that carry the copies; `carriage` on the wire. */
const SubflowStats = Type.Object({
  /** Bytes that were acknowledged, by provider. */
  bytesByProvider: Type.Record(Name, Bytes, { maxProperties: 2 * MOST_PATHS, ...closed }),
  /** The fewest subflows that lasted for a second; 0: none was seen yet. */
  subflows: Count,
  /** True: it fell back from multipath TCP to plain TCP. */
  plainTcp: Type.Boolean(),
});
/** The kernel's figures of the connections that carry the copies; `carriage` on the wire. */
export type SubflowStats = DeepReadonly<Static<typeof SubflowStats>>;

/** A VM at a site, as its agent knows it. */
const InstanceStatus = Type.Object({
  vm: Name,
  machine: Machine,
  /**
   * `running`; `stopped`: the VM is here and stands still; `receiving`: not all of it has arrived; `received`: all of it has
   * arrived, it may be resumed; `handed-over`: it was here and never runs from this state; `dead`: QEMU is gone.
   */
  state: Type.Enum(['running', 'stopped', 'receiving', 'received', 'handed-over', 'dead']),
  /** Which network card is on this site's LAN. */
  nic: Type.Enum([0, 1]),
  lan: LanAddress,
  /** The migration it takes part in here, until it is settled, released or aborted. */
  migration: Type.Optional(MigrationId),
  role: Type.Optional(Type.Enum(['source', 'destination'])),
  token: Type.Optional(Name),
  /** What the source has done of the move. */
  done: Type.Array(Type.Enum(['leave', 'announce', 'disk', 'memory']), { maxItems: 8 }),
  /** The migration by which it came here. */
  arrivedBy: Type.Optional(MigrationId),
  copy: Type.Optional(CopyStatus),
  /**
   * Only after a hand-over by post-copy, or an arrival where post-copy is allowed. `under-way`: not all of its memory has arrived;
   * `broken`: the rest does not get through the present connection; `whole`; `lost`: the rest is gone.
   */
  postCopy: Type.Optional(Type.Enum(['under-way', 'broken', 'whole', 'lost'])),
  disk: Type.Optional(CopyStatus),
  carriage: Type.Optional(SubflowStats),
  /** The guest's MPTCP connections that had not joined the new address when the wait was over, and its plain TCP connections. */
  unjoined: Type.Optional(Count),
  /** When it stopped for the switch-over and when it was resumed, on this host's clock. */
  stoppedAtMs: Type.Optional(AtMs),
  resumedAtMs: Type.Optional(AtMs),
  /** QEMU's own downtime: the source's part only. */
  qemuDowntimeMs: Type.Optional(Ms),
});
/** A VM at a site, as its agent knows it. */
export type InstanceStatus = DeepReadonly<Static<typeof InstanceStatus>>;

/*
 * Answers of agents are checked like orders to them. They may have more members than are known here, because an agent may be newer;
 * what is passed on to another agent (a landing, a machine) may not.
 */

/** A site, as its agent knows it. */
export const SiteStatus = Type.Object({
  site: Name,
  /** The host's clock, to compare times of several hosts. */
  atMs: AtMs,
  endpoints: Type.Array(Endpoint, { maxItems: MOST_PATHS }),
  /** The port at which it answers that it can be reached. */
  answerPort: Port,
  accel: Type.Enum(['kvm', 'tcg']),
  instances: Type.Array(InstanceStatus, { maxItems: 10_000 }),
});
/** A site, as its agent knows it. */
export type SiteStatus = DeepReadonly<Static<typeof SiteStatus>>;

/** The answer to every order about one VM. `instance` is missing where the site has none. */
export const OrderAnswer = Type.Object({
  atMs: AtMs,
  instance: Type.Optional(InstanceStatus),
  /** Only of `receive`. */
  landing: Type.Optional(ReceiverInfo),
  /** Only of `recover`: the port at which the rest of the memory is awaited. */
  port: Type.Optional(Port),
});
/** The answer to every order about one VM. */
export type OrderAnswer = DeepReadonly<Static<typeof OrderAnswer>>;

/** The answer of the helper in a guest. */
export const GuestAnswer = Type.Object({ answer: Type.String({ maxLength: 4096 }) });
/** Why an agent refuses. */
export const Refusal = Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String() }) });

/** The schema of each order's body, by the order's name: `POST /v1/vms/<vm>/<order>`. */
export const ORDERS = {
  start: StartOrder,
  receive: ReceiveOrder,
  leave: LeaveOrder,
  /** `later`: the destination does it once the VM runs there. */
  announce: Type.Object({ ...move, joinMs: Ms, later: Type.Boolean() }, closed),
  mirror: Type.Object({ ...move, stallMs: Ms }, closed),
  copy: CopyOrder,
  expect: TokenOrder,
  /** `handOver`: sends the rest at once, as that order does. */
  stop: Type.Object({ ...move, maxPauseMs: Ms, force: Type.Boolean(), handOver: Type.Boolean() }, closed),
  closeDisk: TokenOrder,
  handOver: MoveOrder,
  resume: TokenOrder,
  /** The destination: await the memory that is missing in post-copy at another port. */
  recover: TokenOrder,
  reconnect: ReconnectOrder,
  /** The destination: end a VM in post-copy whose source is gone, because it can never be whole. */
  end: MoveOrder,
  settle: MoveOrder,
  release: MoveOrder,
  discard: MoveOrder,
  abort: Type.Object({ ...move, voided: Type.Boolean() }, closed),
  remove: Type.Object({}, closed),
} as const;
/** The name of an order. */
export type OrderName = keyof typeof ORDERS;
/** The body of an order. */
export type OrderBody<O extends OrderName> = DeepReadonly<Static<(typeof ORDERS)[O]>>;
