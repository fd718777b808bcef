/** The settings of a site's agent: one file a site. Units are in the names; `rateBps` is bytes a second. */
import { isIPv4 } from 'node:net';
import Type, { type Static } from 'typebox';
import { MAX_DISK_BYTES, MAX_UPLINKS } from '../events/bounds.ts';
import { SiteReported } from '../events/types.ts';
import { Address as IpAddress } from '../hypervisor/qemu/protocol.ts';
import type { Fault } from './faults.ts';
import { type Settings, settings } from './settings.ts';

const closed = { additionalProperties: false } as const;
const { site, uplinks } = SiteReported.properties;
const Path = Type.String({ minLength: 1, maxLength: 4096 });
const Address = Type.String({ minLength: 2, maxLength: 45 });

const Image = Type.Object(
  {
    /** Kernel to boot directly, with `initrd` and `append`; without one the disk is booted. */
    kernel: Type.Optional(Path),
    initrd: Type.Optional(Path),
    append: Type.Optional(Type.String({ maxLength: 4096 })),
    /** A VM's disk is a copy of this file; it may be any format that QEMU knows. Without one a disk begins empty. */
    disk: Type.Optional(Path),
  },
  closed,
);

/** The settings of one agent. */
const AgentSchema = Type.Object(
  {
    site,
    /** Where orders are taken: an address and port, or the path of a Unix socket. Mutual TLS on both. */
    listen: Type.Union([
      Type.Object({ host: Address, port: Type.Integer({ minimum: 1, maximum: 65_535 }) }, closed),
      Type.Object({ socket: Path }, closed),
    ]),
    /** Files in PEM. Orders are taken only from who has a certificate of this authority for the name `control`. */
    tls: Type.Object({ ca: Path, cert: Path, key: Path }, closed),
    /** Records, sockets, logs and disks of the VMs. Must outlive the host's restart. @default /var/lib/tagalong */
    stateDir: Type.String({ minLength: 1, maxLength: 4096, default: '/var/lib/tagalong' }),
    /**
     * What the disks of VMs that have moved on may take here, so that they need not come whole when they return; beyond it
     * the oldest go. 0 keeps none. @default 50000000000
     */
    keptDisksBytes: Type.Integer({ minimum: 0, maximum: MAX_DISK_BYTES, default: 50_000_000_000 }),
    lan: Type.Object(
      {
        /** The bridge that the VMs are on. */
        bridge: Type.String({ minLength: 1, maxLength: 15, pattern: '^[A-Za-z0-9_.-]+$' }),
        /** The VMs' subnet; this agent gives out its addresses from the tenth on. IPv4, as in 10.1.0.0/24. */
        subnet: Type.String({ maxLength: 18, pattern: '^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$' }),
        gateway: IpAddress,
        /** 50 less than the paths', because a LAN is stretched in VXLAN. @default 1450 */
        mtu: Type.Integer({ minimum: 576, maximum: 65_535, default: 1450 }),
      },
      closed,
    ),
    /** The address of this host on each provider's network. Copies and tunnels begin at one that the other site can reach. */
    endpoints: Type.Array(Type.Object({ provider: uplinks.items.properties.provider, address: IpAddress }, closed), {
      minItems: 1,
      maxItems: MAX_UPLINKS,
    }),
    qemu: Type.Object(
      {
        /** @default qemu-system-x86_64 */
        binary: Type.String({ minLength: 1, maxLength: 4096, default: 'qemu-system-x86_64' }),
        /** `auto` takes KVM where a guest boots under it. @default auto */
        accel: Type.Enum(['auto', 'kvm', 'tcg'], { default: 'auto' }),
        /** The processor the guests see; has to be one that all sites can show. @default max */
        cpu: Type.String({ minLength: 1, maxLength: 1024, default: 'max' }),
        /** Lets QEMU slow a guest down that dirties memory faster than the paths carry. @default true */
        autoConverge: Type.Boolean({ default: true }),
        /** zstd sends less over slow paths and costs processor time. The same at all sites; no post-copy with it. @default none */
        compression: Type.Enum(['none', 'zstd'], { default: 'none' }),
        /** TLS on memory and disks that go to other sites, with the agents' certificates. @default true */
        encrypt: Type.Boolean({ default: true }),
        /** False for plain TCP: to compare, or where a middlebox breaks MPTCP. @default true */
        mptcp: Type.Boolean({ default: true }),
        /** Images by name. */
        images: Type.Record(Type.String(), Image, { maxProperties: 1000 }),
      },
      closed,
    ),
    log: Type.Object(
      { level: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info' }) },
      { ...closed, default: {} },
    ),
  },
  closed,
);

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
/** An agent's settings, checked, with every default filled in. Frozen. */
export type AgentConfig = DeepReadonly<Static<typeof AgentSchema>>;

/** @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID */
export const agentSettings: Settings<AgentConfig> = settings(AgentSchema, 'CONFIG_INVALID', faults);

function faults({ lan, endpoints }: AgentConfig): Fault[] {
  const found: Fault[] = [];
  const bits = Number(lan.subnet.split('/')[1]);
  if (!isIPv4(lan.subnet.split('/')[0]!)) found.push({ path: ['lan', 'subnet'], message: 'is no IPv4 subnet' });
  if (bits < 8 || bits > 28) {
    found.push({ path: ['lan', 'subnet'], message: `/${bits} is no usable size; give /8 to /28` });
  }
  for (const [i, { provider }] of endpoints.entries()) {
    if (endpoints.findIndex((other) => other.provider === provider) < i) {
      found.push({ path: ['endpoints', `${i}`, 'provider'], message: 'is given twice; give each provider once' });
    }
  }
  return found;
}
