/** Stretches a LAN to an address, as a site's agent does. Runs in its own network namespace. Prints the outcome as JSON. */
import { execFileSync } from 'node:child_process';
import { plug, stretch, unplug } from '#services/agent/lan.ts';

const remote = process.argv[2]!;
const ip = (...words: string[]) => execFileSync('ip', words, { encoding: 'utf8' });
ip('link', 'set', 'lo', 'up');
ip('address', 'add', '10.0.0.1/24', 'dev', 'lo');
ip('link', 'add', 'lan0', 'type', 'bridge');
const lan = { bridge: 'lan0', subnet: '10.1.0.0/24', gateway: '10.1.0.1', mtu: 1450 };
const landing = {
  ...{ token: 't', endpoints: [], answerPort: 1, memoryPort: 1, diskPort: 1, postCopy: false },
  ...{ compression: 'none' as const, lan: { address: '10.1.0.10', prefix: 24, gateway: '10.1.0.1' } },
};
const move = { migration: 'v1:1', role: 'source' as const, peer: 'b', landing, done: [], unjoined: 0 };
const record = { vm: 'v1', nic: 0 as const, lan: landing.lan };
await plug(lan, record);
const outcome = await stretch(lan, record, { ...move, stretch: { local: '10.0.0.1', remote } }).then(
  () => 'done',
  (error: { code?: string; message: string }) => error.code ?? error.message,
);
const tunnels = ip('-o', 'link', 'show', 'type', 'vxlan').split('\n').filter(Boolean).length;
await unplug('v1');
process.stdout.write(JSON.stringify({ outcome, tunnels, namespaces: ip('netns', 'list').trim() }));
