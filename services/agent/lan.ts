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
import { deviceNames, stretchIds } from './names.ts';
import { admit, clearAllRules, clearTunnelRules, guard, TUNNEL_PORT } from './packet-rules.ts';
import { batch } from './process.ts';

type Lan = AgentConfig['lan'];

/** Makes the taps of a VM and puts one card on the site's LAN. Removes what an earlier try left. */
export async function plug(lan: Lan, record: Pick<InstanceRecord, 'vm' | 'nic' | 'lan'>): Promise<void> {
  const { vm, nic } = record;
  await unplug(vm);
  const { taps } = deviceNames(vm);
  await batch('ip', [
    // Without an owner anybody could open it.
    ...taps.map((tap) => ['tuntap', 'add', 'dev', tap, 'mode', 'tap', 'user', 0]),
    ...taps.map((tap) => ['link', 'set', tap, 'mtu', lan.mtu, 'up']),
  ]);
  await guard(record, [taps[nic]]);
  await batch('ip', [['link', 'set', taps[nic], 'master', lan.bridge]]);
}

/** Removes all devices of a VM here. */
export async function unplug(vm: string): Promise<void> {
  await clearAllRules(vm);
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
  record: Pick<InstanceRecord, 'vm' | 'nic' | 'lan'>,
  move: MoveRecord,
): Promise<void> {
  const { vm, nic } = record;
  const { taps, bridge, newLan, oldLan } = deviceNames(vm);
  const ids = stretchIds(move.migration);
  const [here, away] = move.role === 'source' ? [oldLan, newLan] : [newLan, oldLan];
  const { local, remote } = move.stretch;
  const tunnel = (device: string, id: number) => [
    ...['link', 'add', device, 'mtu', lan.mtu, 'type', 'vxlan', 'id', id],
    // It sends to the other site alone, whatever addresses frames claim to come from.
    ...['local', local, 'remote', remote, 'dstport', TUNNEL_PORT, 'nolearning'],
  ];
  await relax(vm);
  await admit(vm, move.stretch, [ids.newLan, ids.oldLan]);
  await batch('ip', [
    tunnel(newLan, ids.newLan),
    tunnel(oldLan, ids.oldLan),
    ['link', 'add', bridge, 'mtu', lan.mtu, 'type', 'bridge', 'forward_delay', 0, 'stp_state', 0],
  ]);
  await guard(record, [taps[nic], here]);
  await batch('ip', [
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
  await clearTunnelRules(vm);
}
