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
import { BlockList, isIP, isIPv4 } from 'node:net';
import Type, { type Static } from 'typebox';
import { VmDeclared, VmSpec } from '../../events/types.ts';

const closed = { additionalProperties: false } as const;
const Name = VmDeclared.properties.vm;
/** `<vm>:<number>`; long enough for the longest name of a VM. */
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

/** Addresses that name no one host: unspecified ones, groups (multicast), broadcast. IPv6 forms of IPv4 addresses count as these. */
const NO_HOST = new BlockList();
NO_HOST.addSubnet('0.0.0.0', 8, 'ipv4');
NO_HOST.addSubnet('224.0.0.0', 3, 'ipv4');
NO_HOST.addAddress('::', 'ipv6');
NO_HOST.addSubnet('ff00::', 8, 'ipv6');

/** True for the IP address of one host, without a zone. */
export function isHostAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%') && !NO_HOST.check(text, isIPv4(text) ? 'ipv4' : 'ipv6');
}

/** The IP address of one host, without a zone. It is passed to the kernel, to QEMU and to guests, so nothing else is accepted. */
export const Address = Type.Refine(
  Type.String({ minLength: 2, maxLength: 45 }),
  isHostAddress,
  () => 'must be the IP address of one host',
);

/** `T` with all members readonly, at any depth. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** The virtual hardware of a VM. `image` names one of the images that every site has. */
export const Machine = Type.Object(
  { image: Name, vcpus: Type.Integer({ minimum: 1, maximum: 512 }), spec: VmSpec },
  closed,
);
/** The virtual hardware of a VM. */
export type Machine = DeepReadonly<Static<typeof Machine>>;

/** One end of a migration's path. */
const Endpoint = Type.Object({ provider: Name, address: Address }, closed);
/** One end of a migration's path: a provider, and a host's address there. */
export type Endpoint = DeepReadonly<Static<typeof Endpoint>>;

/** A guest's address on a site's LAN. */
const LanAddress = Type.Refine(
  Type.Object({ address: Address, prefix: Type.Integer({ minimum: 1, maximum: 128 }), gateway: Address }, closed),
  ({ address, prefix, gateway }) => isIP(address) === isIP(gateway) && (!isIPv4(address) || prefix <= 32),
  () => 'must have a gateway and a prefix of the same IP version',
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
    /** The port of the source's reachability check. */
    answerPort: Port,
    /** If none of these addresses answers for this time, the move fails. */
    stallMs: Ms,
    /** True: the VM may be resumed before all of its memory has arrived. */
    postCopy: Type.Boolean(),
  },
  closed,
);
/** Prepares to receive a VM. */
export type ReceiveOrder = DeepReadonly<Static<typeof ReceiveOrder>>;

/** A receiving QEMU: its addresses and ports, and the settings on which both ends must agree. */
export const ReceiverInfo = Type.Object(
  {
    token: Name,
    /** The source connects to the first that answers; multipath TCP announces the others. */
    endpoints: Type.Array(Endpoint, { minItems: 1, maxItems: MOST_PATHS }),
    /** The port of this site's reachability check. */
    answerPort: Port,
    memoryPort: Port,
    diskPort: Port,
    lan: LanAddress,
    /** The token under which the VM left this site earlier. The site still has the VM's disk in the state of that time. */
    kept: Type.Optional(Name),
    /** Both QEMUs must use the same values of these two. */
    postCopy: Type.Boolean(),
    compression: Type.Union([Type.Literal('none'), Type.Literal('zstd')]),
  },
  closed,
);
/** A receiving QEMU: its addresses and ports, and the settings on which both ends must agree. */
export type ReceiverInfo = DeepReadonly<Static<typeof ReceiverInfo>>;

/** To the source: prepare to send the VM to that receiver. */
export const LeaveOrder = Type.Object({ ...move, to: Name, landing: ReceiverInfo }, closed);
/** To the source: prepare to send the VM to that receiver. */
export type LeaveOrder = DeepReadonly<Static<typeof LeaveOrder>>;

/** To the source: copy the memory. The limits say when the copy ends, by a forced stop, by post-copy or as failed. */
export const CopyOrder = Type.Object(
  {
    ...move,
    maxRounds: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
    maxPauseMs: Ms,
    /** A copy that sends no byte for this time has stalled. */
    stallMs: Ms,
  },
  closed,
);
/** To the source: copy the memory. The limits say when the copy ends, by a forced stop, by post-copy or as failed. */
export type CopyOrder = DeepReadonly<Static<typeof CopyOrder>>;

/** To the source: send the rest of the memory in post-copy to another port. */
const ReconnectOrder = Type.Object({ ...move, port: Port, stallMs: Ms }, closed);

/** An order whose only parameter is its migration. */
export const MoveOrder = Type.Object(move, closed);
/** An order to the destination; the token names the receiver. */
export const TokenOrder = Type.Object({ ...move, token: Name }, closed);

/**
 * The progress of a copy of memory or disk, in bytes since this copy began. `copying`; `ready`: the rest is small enough to stop the
 * VM; `forced`: the rest is too large, but the VM is to be stopped; `post-copy`: the rest is copied after the VM resumes; `stopped`:
 * the VM is stopped while the rest is sent; `sent`: everything has arrived; `failed`.
 */
const CopyStatus = Type.Object({
  state: Type.Enum(['copying', 'ready', 'forced', 'post-copy', 'stopped', 'sent', 'failed']),
  sentBytes: Bytes,
  remainingBytes: Bytes,
  rounds: Count,
  rateBps: RateBps,
  failure: Type.Optional(Type.Object({ code: Type.String({ maxLength: 64 }), reason: Type.String() })),
});
/** The progress of a copy of memory or disk. */
export type CopyStatus = DeepReadonly<Static<typeof CopyStatus>>;

/** The kernel's figures of the connections that carry the copies; `carriage` on the wire. */
const SubflowStats = Type.Object({
  /** Bytes that were acknowledged, by provider. */
  bytesByProvider: Type.Record(Name, Bytes, { maxProperties: 2 * MOST_PATHS, ...closed }),
  /** The smallest number of subflows that lasted for a second; 0: none was seen so far. */
  subflows: Count,
  /** True: the connection fell back from multipath TCP to plain TCP. */
  plainTcp: Type.Boolean(),
});
/** The kernel's figures of the connections that carry the copies; `carriage` on the wire. */
export type SubflowStats = DeepReadonly<Static<typeof SubflowStats>>;

/** The state of a VM at a site, as its agent reports it. */
const InstanceStatus = Type.Object({
  vm: Name,
  machine: Machine,
  /**
   * `running`; `stopped`: the VM is here and stopped; `receiving`: not all of it has arrived; `received`: all of it has arrived, and
   * it may be resumed; `handed-over`: the VM has left, and this site never resumes it; `dead`: QEMU has ended.
   */
  state: Type.Enum(['running', 'stopped', 'receiving', 'received', 'handed-over', 'dead']),
  /** The network card that is on this site's LAN. */
  nic: Type.Enum([0, 1]),
  lan: LanAddress,
  /** The migration in which it takes part here, until that is settled, released or aborted. */
  migration: Type.Optional(MigrationId),
  role: Type.Optional(Type.Enum(['source', 'destination'])),
  token: Type.Optional(Name),
  /** The steps that the source has done. */
  done: Type.Array(Type.Enum(['leave', 'announce', 'disk', 'memory']), { maxItems: 8 }),
  /** The migration by which it came here. */
  arrivedBy: Type.Optional(MigrationId),
  copy: Type.Optional(CopyStatus),
  /**
   * Only after a hand-over by post-copy, or an arrival for which post-copy is allowed. `under-way`: not all of the memory has arrived;
   * `broken`: the connection that carries the rest is broken; `whole`: all has arrived; `lost`: the rest is lost for good.
   */
  postCopy: Type.Optional(Type.Enum(['under-way', 'broken', 'whole', 'lost'])),
  disk: Type.Optional(CopyStatus),
  carriage: Type.Optional(SubflowStats),
  /** Client connections that stay on the old address: MPTCP connections that did not join in time, and plain TCP connections. */
  unjoined: Type.Optional(Count),
  /** When the VM was stopped for the switch-over, and when it was resumed; by this host's clock. */
  stoppedAtMs: Type.Optional(AtMs),
  resumedAtMs: Type.Optional(AtMs),
  /** QEMU's own downtime: the source's part only. */
  qemuDowntimeMs: Type.Optional(Ms),
});
/** The state of a VM at a site, as its agent reports it. */
export type InstanceStatus = DeepReadonly<Static<typeof InstanceStatus>>;

/*
 * Answers of agents are checked like orders to them. An answer may have additional members, because an agent may be newer. Parts
 * that are forwarded to another agent (a landing, a machine) may not.
 */

/** The state of a site, as its agent reports it. */
export const SiteStatus = Type.Object({
  site: Name,
  /** The host's clock, to compare times of several hosts. */
  atMs: AtMs,
  endpoints: Type.Array(Endpoint, { maxItems: MOST_PATHS }),
  /** The port of its reachability check. */
  answerPort: Port,
  accel: Type.Enum(['kvm', 'tcg']),
  /** What its VMs can use only up to a limit: `memory`, `pids`, `cpu`. */
  limits: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 16 })),
  instances: Type.Array(InstanceStatus, { maxItems: 10_000 }),
});
/** The state of a site, as its agent reports it. */
export type SiteStatus = DeepReadonly<Static<typeof SiteStatus>>;

/** The answer to every order about one VM. `instance` is absent if the site does not have the VM. */
export const OrderAnswer = Type.Object({
  atMs: AtMs,
  instance: Type.Optional(InstanceStatus),
  /** Only in the answer to `receive`. */
  landing: Type.Optional(ReceiverInfo),
  /** Only in the answer to `recover`: the port that receives the rest of the memory. */
  port: Type.Optional(Port),
});
/** The answer to every order about one VM. */
export type OrderAnswer = DeepReadonly<Static<typeof OrderAnswer>>;

/** The answer of the helper in a guest. */
export const GuestAnswer = Type.Object({ answer: Type.String({ maxLength: 4096 }) });
/** The body of a refusal. */
export const Refusal = Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String() }) });

/** The schema of each order's body, by the order's name: `POST /v1/vms/<vm>/<order>`. */
export const ORDERS = {
  start: StartOrder,
  receive: ReceiveOrder,
  leave: LeaveOrder,
  /** `later`: the destination announces the address after the VM runs there. */
  announce: Type.Object({ ...move, joinMs: Ms, later: Type.Boolean() }, closed),
  mirror: Type.Object({ ...move, stallMs: Ms }, closed),
  copy: CopyOrder,
  expect: TokenOrder,
  /** `handOver`: true also does what the order `handOver` does. */
  stop: Type.Object({ ...move, maxPauseMs: Ms, force: Type.Boolean(), handOver: Type.Boolean() }, closed),
  closeDisk: TokenOrder,
  handOver: MoveOrder,
  resume: TokenOrder,
  /** To the destination: receive the rest of the memory in post-copy at another port. */
  recover: TokenOrder,
  reconnect: ReconnectOrder,
  /** To the destination: end a VM in post-copy whose source is gone, because the rest of its memory is lost. */
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
