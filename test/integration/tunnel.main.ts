/**
 * Sends frames to the tunnels of a move, from the other site and from a stranger. Runs in its own network and mount namespace. Prints as
 * JSON how many frames of each came out of the tunnels.
 */
import { execFileSync } from 'node:child_process';
import { plug, stretch, unplug } from '#services/agent/lan.ts';
import { deviceNames, stretchIds } from '#services/agent/names.ts';
import { clearTunnelRules, TUNNEL_PORT } from '#services/agent/packet-rules.ts';

const [HERE, ALSO_HERE, PEER, STRANGER] = ['10.0.0.1', '10.0.0.9', '10.0.0.2', '10.0.0.3'] as const;
const SEND = `const [to, ...frames] = process.argv.slice(1);
const s = require('node:dgram').createSocket('udp4');
let left = frames.length;
for (const frame of frames) s.send(Buffer.from(frame, 'hex'), ${TUNNEL_PORT}, to, () => --left || setTimeout(() => s.close(), 100));`;
const ip = (words: string) => execFileSync('ip', words.split(' '), { encoding: 'utf8' });

ip('link set lo up');
ip('link add net0 type bridge forward_delay 0');
ip(`address add ${HERE}/24 dev net0`);
ip(`address add ${ALSO_HERE}/24 dev net0`);
ip('link set net0 up');
for (const [name, address] of Object.entries({ peer: PEER, stranger: STRANGER })) {
  ip(`netns add ${name}`);
  ip(`link add ${name} type veth peer name eth0 netns ${name}`);
  ip(`link set ${name} master net0 up`);
  ip(`-n ${name} address add ${address}/24 dev eth0`);
  ip(`-n ${name} link set eth0 up`);
}
ip('link add lan0 type bridge');
ip('link set lan0 up');

const { newLan, oldLan } = deviceNames('v1');
const lan = { bridge: 'lan0', subnet: '10.1.0.0/24', gateway: '10.1.0.1', mtu: 1450 };
const landing = {
  ...{ token: 't', endpoints: [], answerPort: 1, memoryPort: 1, diskPort: 1, postCopy: false },
  ...{ compression: 'none' as const, lan: { address: '10.1.0.10', prefix: 24, gateway: '10.1.0.1' } },
};
const record = { vm: 'v1', nic: 0 as const, lan: landing.lan };
const stretchTo = async (migration: string, remote: string) => {
  const move = { migration, role: 'source' as const, peer: 'b', landing, done: [], unjoined: 0 };
  await stretch(lan, record, { ...move, stretch: { local: HERE, remote } });
  return stretchIds(migration);
};
/** An Ethernet frame to everybody, in VXLAN. */
const frame = (id: number) =>
  Buffer.concat([
    Buffer.from([8, 0, 0, 0, id >>> 16, (id >>> 8) & 255, id & 255, 0]),
    Buffer.from('ffffffffffff020000000001' + '0800', 'hex'),
    Buffer.alloc(46),
  ]).toString('hex');
const received = (device: string): number => JSON.parse(ip(`-json -s link show ${device}`))[0].stats64.rx.packets;
const counts: Record<string, object> = {};
const count = (what: string, from: string, to: string, ids: ReturnType<typeof stretchIds>) => {
  const before = [received(newLan), received(oldLan)] as const;
  const frames = [frame(ids.newLan), frame(ids.oldLan)];
  execFileSync('ip', ['netns', 'exec', from, process.execPath, '-e', SEND, to, ...frames], { stdio: 'inherit' });
  counts[what] = { newLan: received(newLan) - before[0], oldLan: received(oldLan) - before[1] };
};

await plug(lan, record);
let ids = await stretchTo('v1:1', PEER);
count('the peer', 'peer', HERE, ids);
count('a stranger', 'stranger', HERE, ids);
count('the peer, to another address', 'peer', ALSO_HERE, ids);
await clearTunnelRules('v1');
count('a stranger, without rules', 'stranger', HERE, ids);
ids = await stretchTo('v1:2', STRANGER);
count('a stranger, as the peer of the next move', 'stranger', HERE, ids);
count('the peer, once it is none', 'peer', HERE, ids);
await unplug('v1');
process.stdout.write(JSON.stringify(counts));
