/**
 * Sends datagrams to a LAN as the guest of a VM would, from several MAC and IP addresses. Runs in its own network and mount namespace.
 * Prints as JSON which of them arrived, and whom the LAN has learned by ARP.
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { macAddress } from '#services/agent/names.ts';
import { clearAllRules, guard } from '#services/agent/packet-rules.ts';

const PORT = 4711;
const DHCP_SERVER_PORT = 67;
const SEND = `const s = require('node:dgram').createSocket('udp4');
s.bind(Number(process.argv[2]), () => s.send(process.argv[1], ${PORT}, '10.1.0.1', () => setTimeout(() => s.close(), 100)));`;
const ip = (words: string) => execFileSync('ip', words.split(' '), { encoding: 'utf8' });
const inGuest = (words: string) => ip(`-n guest ${words}`);
const own = { mac: macAddress('v1', 0), address: '10.1.0.10' };
const senders: Record<string, { mac: string; address: string; from?: number }> = {
  'before it is guarded': { mac: '02:00:00:00:00:99', address: '10.1.0.99', from: DHCP_SERVER_PORT },
  itself: own,
  'another MAC': { ...own, mac: '02:00:00:00:00:11' },
  'another address': { ...own, address: '10.1.0.11' },
  'a DHCP server': { ...own, from: DHCP_SERVER_PORT },
};

ip('netns add guest');
ip('link add tap0 type veth peer name eth0 netns guest');
ip('address add 10.1.0.1/24 dev tap0');
ip('link set tap0 up');
inGuest('link set eth0 up');
const lanMac = JSON.parse(ip('-json link show tap0'))[0].address;
const arrived: string[] = [];
const lan = createSocket('udp4').on('message', (text) => void arrived.push(`${text}`));
await once(lan.bind(PORT, '10.1.0.1'), 'listening');

for (const [name, { mac, address, from = 0 }] of Object.entries(senders)) {
  if (name === 'itself')
    await guard({ vm: 'v1', nic: 0, lan: { address: own.address, prefix: 24, gateway: '10.1.0.1' } }, ['tap0']);
  inGuest('address flush dev eth0');
  inGuest(`link set eth0 address ${mac}`);
  inGuest(`address add ${address}/24 dev eth0`);
  ip('neigh flush dev tap0');
  const send = (what: string) =>
    execFileSync('ip', ['netns', 'exec', 'guest', process.execPath, '-e', SEND, what, `${from}`], {
      stdio: 'inherit',
    });
  // With the LAN's MAC known, and then by asking for it.
  inGuest(`neigh replace 10.1.0.1 lladdr ${lanMac} dev eth0 nud permanent`);
  send(name);
  inGuest('neigh del 10.1.0.1 dev eth0');
  send(`${name}, by ARP`);
  await sleep(200);
}
const learned = ip('neigh show dev tap0')
  .split('\n')
  .filter((line) => line.includes('lladdr'))
  .map((line) => line.split(' ')[0]);
lan.close();
await clearAllRules('v1');
process.stdout.write(JSON.stringify({ arrived, learned }));
