/**
 * A VM's two network cards at a site. One is on the site's LAN. The other one is unused, except during a move: then it is on the
 * other site's LAN, which a VXLAN tunnel (RFC 7348) stretches to this host:
 *
 * ```
 *   source                                         destination
 *   LAN ─┬─ tap of the old card                    tap of the old card ─ bridge ─ tunnel ┐
 *        └─ tunnel (old LAN) ─────────────────────────────────────────────────────────── ┘
 *        ┌─ tunnel (new LAN) ────────────────────────────────────────── tunnel (new LAN) ─┬─ LAN
 *   bridge ─ tap of the new card                                       tap of the new card ┘
 * ```
 */
import type { AgentConfig } from '#shared/config/agent.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { deviceNames, macAddress, shortName, stretchIds } from './names.ts';
import { batch, feed, type Words } from './process.ts';

type Lan = AgentConfig['lan'];

/** Makes the taps of a VM and puts one card on the site's LAN. Removes what an earlier try left. */
export async function plug(lan: Lan, vm: string, nic: 0 | 1): Promise<void> {
  await unplug(vm);
  const { taps } = deviceNames(vm);
  await batch('ip', [
    ...taps.map((tap) => ['tuntap', 'add', 'dev', tap, 'mode', 'tap']),
    ...taps.map((tap) => ['link', 'set', tap, 'mtu', lan.mtu, 'up']),
    ['link', 'set', taps[nic], 'master', lan.bridge],
  ]);
}

/** Removes all devices of a VM here. */
export async function unplug(vm: string): Promise<void> {
  await unmirror(vm);
  const { taps, bridge, newLan, oldLan } = deviceNames(vm);
  await batch(
    'ip',
    [newLan, oldLan, bridge, ...taps].map((device) => ['link', 'del', device]),
    true,
  );
}

/** Stretches both LANs between the two sites of a move. Harmless when repeated. */
export async function stretch(
  lan: Lan,
  { vm, nic }: Pick<InstanceRecord, 'vm' | 'nic'>,
  move: MoveRecord,
): Promise<void> {
  const { taps, bridge, newLan, oldLan } = deviceNames(vm);
  const ids = stretchIds(move.migration);
  const [here, away] = move.role === 'source' ? [oldLan, newLan] : [newLan, oldLan];
  const { local, remote } = move.stretch;
  const tunnel = (device: string, id: number) => [
    ...['link', 'add', device, 'mtu', lan.mtu, 'type', 'vxlan', 'id', id],
    ...['local', local, 'remote', remote, 'dstport', 4789],
  ];
  await relax(vm);
  await batch('ip', [
    tunnel(newLan, ids.newLan),
    tunnel(oldLan, ids.oldLan),
    ['link', 'add', bridge, 'mtu', lan.mtu, 'type', 'bridge', 'forward_delay', 0, 'stp_state', 0],
    ['link', 'set', here, 'master', lan.bridge, 'up'],
    ['link', 'set', away, 'master', bridge, 'up'],
    ['link', 'set', taps[nic === 0 ? 1 : 0], 'master', bridge],
    ['link', 'set', bridge, 'up'],
  ]);
}

/** Removes the stretched LANs. */
export async function relax(vm: string): Promise<void> {
  const { bridge, newLan, oldLan } = deviceNames(vm);
  await batch(
    'ip',
    [newLan, oldLan, bridge].map((device) => ['link', 'del', device]),
    true,
  );
}

/**
 * Duplicates the packets that this site's LAN sends to the VM, so that both sites get them: the source sends them through the tunnel
 * as well as to its tap, the destination puts them into its tap as well as into the tunnel. It begins before the VM stops, so
 * that packets between stop and resume wait in the destination's tap. Packets before the stop arrive twice, which a network may
 * do. It ends by itself: by the first packet from the new site the bridges learn where the VM is. Harmless when repeated.
 */
export async function mirror({ vm, nic }: Pick<InstanceRecord, 'vm' | 'nic'>, role: MoveRecord['role']): Promise<void> {
  const { taps, newLan, oldLan } = deviceNames(vm);
  const [from, to] = role === 'source' ? [taps[nic], oldLan] : [newLan, taps[nic]];
  const table = tableOf(vm);
  await nft([
    ...forget(vm),
    ['add', 'table', ...table],
    [
      ...['add', 'chain', ...table, 'out', '{', 'type', 'filter', 'hook', 'egress'],
      ...['device', `"${from}"`, 'priority', 0, ';', '}'],
    ],
    ['add', 'rule', ...table, 'out', 'ether', 'daddr', macAddress(vm, nic), 'dup', 'to', `"${to}"`],
  ]);
}

/** Stops the duplication. Harmless where there is none. */
export async function unmirror(vm: string): Promise<void> {
  await nft(forget(vm));
}

const tableOf = (vm: string) => ['netdev', `tagalong-${shortName(vm)}`];
/** `delete` fails where there is no table, so it is added first. */
const forget = (vm: string) => [
  ['add', 'table', ...tableOf(vm)],
  ['delete', 'table', ...tableOf(vm)],
];

/** Runs the commands as one transaction. */
async function nft(commands: readonly Words[]): Promise<void> {
  await feed('nft', ['-f', '-'], commands);
}
