/** The settings of a site's agent, one file for each site. */
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
    /** The kernel that QEMU boots directly, with `initrd` and `append`. Without a kernel the VM boots from its disk. */
    kernel: Type.Optional(Path),
    initrd: Type.Optional(Path),
    append: Type.Optional(Type.String({ maxLength: 4096 })),
    /** The disk of a new VM is a copy of this file, in any format that QEMU knows. Without this file the disk is empty. */
    disk: Type.Optional(Path),
  },
  closed,
);

/** The settings of one agent. */
const AgentSchema = Type.Object(
  {
    site,
    /** The address at which the agent accepts orders: an address and a port, or the path of a Unix socket. Both use mutual TLS. */
    listen: Type.Union([
      Type.Object({ host: Address, port: Type.Integer({ minimum: 1, maximum: 65_535 }) }, closed),
      Type.Object({ socket: Path }, closed),
    ]),
    /**
     * PEM files. The certificate is that of this site (OU=site, CN=its name). The agent accepts orders only from clients with a certificate
     * of this authority and the role `control` (OU=control). `crl` lists revoked certificates: neither clients nor other sites may have one of
     * them. The agent takes up changed files while it runs.
     */
    tls: Type.Object({ ca: Path, cert: Path, key: Path, crl: Type.Optional(Path) }, closed),
    /** The folder of the VMs' records, sockets, logs and disks. It must survive a restart of the host. @default /var/lib/tagalong */
    stateDir: Type.String({ minLength: 1, maxLength: 4096, default: '/var/lib/tagalong' }),
    /**
     * How many bytes the kept disks of VMs that have left may take. When a VM returns, only the changed blocks of its disk are copied.
     * The agent deletes the oldest disks beyond this limit. 0 keeps none. @default 50000000000
     */
    keptDisksBytes: Type.Integer({ minimum: 0, maximum: MAX_DISK_BYTES, default: 50_000_000_000 }),
    lan: Type.Object(
      {
        /** The bridge to which the VMs are connected. */
        bridge: Type.String({ minLength: 1, maxLength: 15, pattern: '^[A-Za-z0-9_.-]+$' }),
        /** The IPv4 subnet of the VMs, such as 10.1.0.0/24. The agent assigns its addresses from the tenth on. */
        subnet: Type.String({ maxLength: 18, pattern: '^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$' }),
        gateway: IpAddress,
        /** 50 less than the MTU of the paths, because VXLAN carries a stretched LAN. @default 1450 */
        mtu: Type.Integer({ minimum: 576, maximum: 65_535, default: 1450 }),
      },
      closed,
    ),
    /** The address of this host in each provider's network. Copies and tunnels start at an address that the other site can reach. */
    endpoints: Type.Array(Type.Object({ provider: uplinks.items.properties.provider, address: IpAddress }, closed), {
      minItems: 1,
      maxItems: MAX_UPLINKS,
    }),
    qemu: Type.Object(
      {
        /** The QEMU program. @default qemu-system-x86_64 */
        binary: Type.String({ minLength: 1, maxLength: 4096, default: 'qemu-system-x86_64' }),
        /** `auto` uses KVM if a guest boots under it. @default auto */
        accel: Type.Enum(['auto', 'kvm', 'tcg'], { default: 'auto' }),
        /** The processor model of the guests. All sites must be able to provide it. @default max */
        cpu: Type.String({ minLength: 1, maxLength: 1024, default: 'max' }),
        /** Allows QEMU to slow down a guest that writes memory faster than the paths can carry. @default true */
        autoConverge: Type.Boolean({ default: true }),
        /** `zstd` sends fewer bytes but costs processor time. All sites need the same value. It excludes post-copy. @default none */
        compression: Type.Enum(['none', 'zstd'], { default: 'none' }),
        /** Encrypts memory and disks on their way to other sites (TLS with the agents' certificates). @default true */
        encrypt: Type.Boolean({ default: true }),
        /** False uses plain TCP: for comparisons, or if a middlebox breaks MPTCP. @default true */
        mptcp: Type.Boolean({ default: true }),
        /** The images, by name. */
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

/** Reads the settings of an agent. @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID */
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
