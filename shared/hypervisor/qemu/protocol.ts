/**
 * What is said between whoever moves VMs and the agents of the sites: HTTP and JSON with mutual TLS. Every order names
 * its migration and may be repeated; the agent answers with the VM's state after it.
 *
 * ```
 *  source                          destination
 *            ◄── status ──►
 *                                  receive   reserve, start the receiving QEMU, stretch its LAN   ─► token
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
 * The **token** fences: it names one receiving QEMU, made anew each time. Only that one may be resumed, only after the
 * source has written down that it will never run the VM again (`handOver`); the source takes the VM back (`abort` with
 * `voided`) only after the destination has given up this token for good (`discard`).
 */
import Type, { type Static } from 'typebox';
import { VmDeclared, VmSpec } from '../../events/types.ts';

const closed = { additionalProperties: false } as const;
const Name = VmDeclared.properties.vm;
const Amount = Type.Number({ minimum: 0 });
const Text = Type.String({ minLength: 1, maxLength: 256 });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

/** What a VM is made of. `image` names one of the images that every site has. */
export const Machine = Type.Object(
  { image: Name, vcpus: Type.Integer({ minimum: 1, maximum: 512 }), spec: VmSpec },
  closed,
);
/** What a VM is made of. */
export type Machine = Static<typeof Machine>;

/** One end of a migration's path. */
const Endpoint = Type.Object({ provider: Name, address: Text }, closed);
/** One end of a migration's path: a provider, and a host's address there. */
export type Endpoint = Static<typeof Endpoint>;

/** A guest's address on a site's LAN. */
const LanAddress = Type.Object(
  { address: Text, prefix: Type.Integer({ minimum: 0, maximum: 128 }), gateway: Text },
  closed,
);
/** A guest's address on a site's LAN. */
export type LanAddress = Static<typeof LanAddress>;

const move = { migration: Name };

/** A VM is to run at this site, from nothing. */
export const StartOrder = Type.Object({ machine: Machine }, closed);
/** A VM is to come here. `nic`: which of its two network cards will be on this site's LAN. */
export const ReceiveOrder = Type.Object(
  {
    ...move,
    from: Name,
    machine: Machine,
    nic: Type.Union([Type.Literal(0), Type.Literal(1)]),
    /** The source's addresses on the common paths, the preferred one first; the LANs are stretched over the first that answers. */
    sources: Type.Array(Endpoint, { minItems: 1 }),
    /** Where the source answers who asks whether it can be reached. */
    answerPort: Port,
    /** How long none of them has to answer for the move to be given up. */
    stallMs: Amount,
    /** Whether the VM may be resumed before all of its memory is here. */
    postCopy: Type.Boolean(),
  },
  closed,
);
/** A VM is to come here. */
export type ReceiveOrder = Static<typeof ReceiveOrder>;

/** Where the VM is awaited. */
export const Landing = Type.Object(
  {
    token: Name,
    /** The first that answers is connected to; the others are announced by multipath TCP itself. */
    endpoints: Type.Array(Endpoint, { minItems: 1 }),
    /** Where this site answers who asks whether it can be reached. */
    answerPort: Port,
    memoryPort: Port,
    diskPort: Port,
    lan: LanAddress,
    /** What both QEMUs have to do alike. */
    postCopy: Type.Boolean(),
    compression: Type.Union([Type.Literal('none'), Type.Literal('zstd')]),
  },
  closed,
);
/** Where the VM is awaited. */
export type Landing = Static<typeof Landing>;

/** The VM at this site is to go there. */
export const LeaveOrder = Type.Object({ ...move, to: Name, landing: Landing }, closed);
/** The VM at this site is to go there. */
export type LeaveOrder = Static<typeof LeaveOrder>;

/** When a copy is over, or to be given up. */
export const CopyOrder = Type.Object(
  {
    ...move,
    maxRounds: Type.Integer({ minimum: 1 }),
    maxPauseMs: Amount,
    /** No byte for so long: the copy stands. */
    stallMs: Amount,
  },
  closed,
);
/** When a copy is over, or to be given up. */
export type CopyOrder = Static<typeof CopyOrder>;

/** Source: what is missing of a VM in post-copy is to be sent to another port. */
const ReconnectOrder = Type.Object({ ...move, port: Port, stallMs: Amount }, closed);

/** An order that needs nothing but its migration. */
export const MoveOrder = Type.Object(move, closed);
/** An order to the receiving side; the token says which receiver is meant. */
export const TokenOrder = Type.Object({ ...move, token: Name }, closed);

/** How far memory or disk has been copied. Bytes since this copy began. */
export interface CopyStatus {
  /**
   * `copying`; `ready`: the rest is small enough to stop for; `forced`: it is not, but is to be stopped for; `post-copy`:
   * the rest is to follow, or follows, the VM; `stopped`: the VM stands still for the rest; `sent`: all of it is at the
   * destination; `failed`.
   */
  readonly state: 'copying' | 'ready' | 'forced' | 'post-copy' | 'stopped' | 'sent' | 'failed';
  readonly sentBytes: number;
  readonly remainingBytes: number;
  readonly rounds: number;
  readonly rateBps: number;
  readonly failure?: { readonly code: string; readonly reason: string };
}

/** What the connection that carries the copies looks like to the kernel. */
export interface Carriage {
  /** Bytes that were acknowledged, by provider. */
  readonly bytesByProvider: Readonly<Record<string, number>>;
  /** The fewest subflows that were seen once the connection was up; 0: not seen yet. */
  readonly subflows: number;
  /** True: it fell back from multipath TCP to plain TCP. */
  readonly plainTcp: boolean;
}

/** A VM at a site, as its agent knows it. */
export interface InstanceStatus {
  readonly vm: string;
  readonly machine: Machine;
  /**
   * `running`; `stopped`: here is the VM, but it stands still; `receiving`: it is awaited, not all of it is here;
   * `received`: all of it is here, it may be resumed; `handed-over`: it was here and will never run from this state;
   * `dead`: QEMU is no more.
   */
  readonly state: 'running' | 'stopped' | 'receiving' | 'received' | 'handed-over' | 'dead';
  /** Which network card is on this site's LAN. */
  readonly nic: 0 | 1;
  readonly lan: LanAddress;
  /** The migration it takes part in here, until it is settled, released or aborted. */
  readonly migration?: string;
  readonly role?: 'source' | 'destination';
  readonly token?: string;
  /** What the source has done of it. */
  readonly done: readonly ('leave' | 'announce' | 'disk' | 'memory')[];
  /** The migration by which it came here. */
  readonly arrivedBy?: string;
  readonly copy?: CopyStatus;
  /**
   * Only once it has been handed over by post-copy, or came from where that is allowed. `under-way`: not all of its memory
   * is at the destination; `broken`: what is missing does not get there over the present connection; `whole`; `lost`: what
   * is missing is no more.
   */
  readonly postCopy?: 'under-way' | 'broken' | 'whole' | 'lost';
  readonly disk?: CopyStatus;
  readonly carriage?: Carriage;
  /** MPTCP connections of the guest that have not joined the new address, when the wait was over; and plain ones. */
  readonly unjoined?: number;
  /** When it stopped for the switch-over and when it was resumed, on this host's clock. */
  readonly stoppedAtMs?: number;
  readonly resumedAtMs?: number;
  /** What QEMU calls downtime: the source's part only. */
  readonly qemuDowntimeMs?: number;
}

/** A site, as its agent knows it. */
export interface SiteStatus {
  readonly site: string;
  /** The host's clock, for whoever compares times of several hosts. */
  readonly atMs: number;
  readonly endpoints: readonly Endpoint[];
  /** Where it answers who asks whether it can be reached. */
  readonly answerPort: number;
  readonly accel: 'kvm' | 'tcg';
  readonly instances: readonly InstanceStatus[];
}

/** The answer to every order about one VM. `instance` is missing where the site has none. */
export interface OrderAnswer {
  readonly atMs: number;
  readonly instance?: InstanceStatus;
  /** Only of `receive`. */
  readonly landing?: Landing;
  /** Only of `recover`: where the rest of the memory is awaited now. */
  readonly port?: number;
}

/** Orders by name, with what they carry: `POST /v1/vms/<vm>/<order>`. */
export const ORDERS = {
  start: StartOrder,
  receive: ReceiveOrder,
  leave: LeaveOrder,
  /** `later`: the destination will do it, when the VM is there. */
  announce: Type.Object({ ...move, joinMs: Amount, later: Type.Boolean() }, closed),
  mirror: Type.Object({ ...move, stallMs: Amount }, closed),
  copy: CopyOrder,
  expect: TokenOrder,
  /** `handOver`: the rest is sent at once, as by that order. */
  stop: Type.Object({ ...move, maxPauseMs: Amount, force: Type.Boolean(), handOver: Type.Boolean() }, closed),
  closeDisk: TokenOrder,
  handOver: MoveOrder,
  resume: TokenOrder,
  /** Destination: what is missing of a VM in post-copy is awaited at another port. */
  recover: TokenOrder,
  reconnect: ReconnectOrder,
  /** Destination: a VM in post-copy whose source is no more can never be whole, and is ended. */
  end: MoveOrder,
  settle: MoveOrder,
  release: MoveOrder,
  discard: MoveOrder,
  abort: Type.Object({ ...move, voided: Type.Boolean() }, closed),
  remove: Type.Object({}, closed),
} as const;
/** The name of an order. */
export type OrderName = keyof typeof ORDERS;
/** What an order carries. */
export type OrderBody<O extends OrderName> = Static<(typeof ORDERS)[O]>;
