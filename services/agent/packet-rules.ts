/** The rules by which a host's kernel treats a VM's packets (nftables). Each kind of rule is in a table of its own for each VM. */
import { isIPv4 } from 'node:net';
import type { Endpoint } from '#shared/hypervisor/qemu/protocol.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { deviceNames, macAddress, shortName } from './names.ts';
import { feed, type Words } from './process.ts';

/**
 * Duplicates the packets that this site's LAN sends to the VM, so that both sites get them: the source sends them through the tunnel
 * as well as to its tap, the destination puts them into its tap as well as into the tunnel. It begins before the VM stops, so
 * that packets between stop and resume wait in the destination's tap. Packets before the stop arrive twice, which a network may
 * do. It ends by itself: by the first packet from the new site the bridges learn where the VM is. Harmless when repeated.
 */
export async function mirror({ vm, nic }: Pick<InstanceRecord, 'vm' | 'nic'>, role: MoveRecord['role']): Promise<void> {
  const { taps, newLan, oldLan } = deviceNames(vm);
  const [from, to] = role === 'source' ? [taps[nic], oldLan] : [newLan, taps[nic]];
  const table = mirrorTable(vm);
  await nft([
    ...forget(table),
    ['add', 'table', ...table],
    [
      ...['add', 'chain', ...table, 'out', '{', 'type', 'filter', 'hook', 'egress'],
      ...['device', `"${from}"`, 'priority', 0, ';', '}'],
    ],
    ['add', 'rule', ...table, 'out', 'ether', 'daddr', macAddress(vm, nic), 'dup', 'to', `"${to}"`],
  ]);
}

/**
 * Keeps connections to other addresses of this host away from the ports at which a VM's QEMU listens: those of the LAN, of
 * management, of containers. Replaces earlier ports.
 * @param endpoints this host's addresses on the paths of the move
 */
export async function fence(vm: string, endpoints: readonly Endpoint[], ports: readonly number[]): Promise<void> {
  const table = fenceTable(vm);
  const paths = endpoints.map(({ address }) => address).filter((address) => isIPv4(address));
  await nft([
    ...forget(table),
    ['add', 'table', ...table],
    ['add', 'chain', ...table, 'in', '{', 'type', 'filter', 'hook', 'input', 'priority', 0, ';', '}'],
    ['add', 'rule', ...table, 'in', 'ip', 'daddr', '!=', ...setOf(paths), 'tcp', 'dport', ...setOf(ports), 'drop'],
  ]);
}

/**
 * Lets a VM send to its site's LAN from its own MAC and address alone: it can pose as no other VM and as no gateway, and it gives no
 * addresses to others. The same holds for what the other site of a move sends to the LAN through the tunnel. Replaces earlier rules.
 * @param devices by which packets of the VM come to the LAN
 */
export async function guard(
  { vm, nic, lan }: Pick<InstanceRecord, 'vm' | 'nic' | 'lan'>,
  devices: readonly string[],
): Promise<void> {
  const table = guardTable(vm);
  const mac = macAddress(vm, nic);
  const rules: Words[] = [
    ['ether', 'saddr', '!=', mac],
    ['ether', 'type', '!=', ...setOf(['arp', 'ip', 'ip6'])],
    ['arp', 'saddr', 'ether', '!=', mac],
    // 0.0.0.0 asks whether an address is free (RFC 5227).
    ['arp', 'saddr', 'ip', '!=', ...setOf([lan.address, '0.0.0.0'])],
    ['ip', 'saddr', '!=', lan.address],
    ['ip6', 'saddr', '!=', ...setOf(['fe80::/10', '::'])],
    ['icmpv6', 'type', 'nd-router-advert'],
    // Answers of DHCP and DHCPv6 servers.
    ['udp', 'sport', ...setOf([67, 547])],
  ];
  await nft([
    ...forget(table),
    ['add', 'table', ...table],
    ...devices.flatMap((device, i): Words[] => [
      [
        ...['add', 'chain', ...table, `from${i}`, '{', 'type', 'filter', 'hook', 'ingress'],
        ...['device', `"${device}"`, 'priority', 0, ';', '}'],
      ],
      ...rules.map((rule): Words => ['add', 'rule', ...table, `from${i}`, ...rule, 'drop']),
    ]),
  ]);
}

/** VXLAN (RFC 7348). */
export const TUNNEL_PORT = 4789;

/**
 * Lets in the frames of a move's stretched LANs from the other site's address alone. The kernel takes frames of other networks from
 * nobody, because no device has their number. Replaces earlier rules.
 * @param ids the numbers of the LANs, 24 bits
 */
export async function admit(
  vm: string,
  { remote, local }: MoveRecord['stretch'],
  ids: readonly number[],
): Promise<void> {
  const table = tunnelTable(vm);
  const ip = isIPv4(remote) ? 'ip' : 'ip6';
  // The number follows 8 bytes of UDP and 4 of VXLAN.
  const frames = ['udp', 'dport', TUNNEL_PORT, '@th,96,24', ...setOf(ids)];
  await nft([
    ...forget(table),
    ['add', 'table', ...table],
    ['add', 'chain', ...table, 'in', '{', 'type', 'filter', 'hook', 'input', 'priority', 0, ';', '}'],
    ['add', 'rule', ...table, 'in', ip, 'saddr', remote, ip, 'daddr', local, ...frames, 'accept'],
    ['add', 'rule', ...table, 'in', ...frames, 'drop'],
  ]);
}

/** Removes the rules of the stretched LANs, once these are gone. Harmless where there are none. */
export async function clearTunnelRules(vm: string): Promise<void> {
  await nft(forget(tunnelTable(vm)));
}

/** Stops the duplication, and takes the fence away. Harmless where there is neither. */
export async function clearRules(vm: string): Promise<void> {
  await nft([...forget(mirrorTable(vm)), ...forget(fenceTable(vm))]);
}

/** Removes all rules of a VM that is here no more. Harmless where there are none. */
export async function clearAllRules(vm: string): Promise<void> {
  await nft([mirrorTable(vm), fenceTable(vm), guardTable(vm), tunnelTable(vm)].flatMap(forget));
}

const mirrorTable = (vm: string): Words => ['netdev', `tagalong-${shortName(vm)}`];
const guardTable = (vm: string): Words => ['netdev', `tagalong-own-${shortName(vm)}`];
const tunnelTable = (vm: string): Words => ['inet', `tagalong-tunnel-${shortName(vm)}`];
const fenceTable = (vm: string): Words => ['inet', `tagalong-${shortName(vm)}`];
const setOf = (members: Words): Words => ['{', members.join(','), '}'];
/** `delete` fails where there is no table, so it is added first. */
const forget = (table: Words): Words[] => [
  ['add', 'table', ...table],
  ['delete', 'table', ...table],
];

/** Runs the commands as one transaction. */
async function nft(commands: readonly Words[]): Promise<void> {
  await feed('nft', ['-f', '-'], commands);
}
