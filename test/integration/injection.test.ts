/** A compromised agent sends an address that holds commands for `ip -batch`. No other agent executes them. */
import { execFile } from 'node:child_process';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Compile } from 'typebox/compile';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LeaveOrder, ReceiveOrder } from '#shared/hypervisor/qemu/protocol.ts';
import { missing } from '../testbed/needs.ts';

const run = promisify(execFile);
const STRETCH = new URL('./stretch.main.ts', import.meta.url).pathname;
const lan = { address: '10.1.0.10', prefix: 24, gateway: '10.1.0.1' };
const landing = {
  ...{ token: 't', endpoints: [{ provider: 'a', address: '10.9.9.9' }], answerPort: 1, memoryPort: 1, diskPort: 1 },
  ...{ lan, postCopy: false, compression: 'none' },
};
const leave = { migration: 'v1:1', to: 'b', landing };

describe('an order to leave', () => {
  const check = Compile(LeaveOrder);
  test('accepts addresses', () => {
    expect(check.Check(leave)).toBe(true);
    const endpoints = [{ provider: 'a', address: '2001:db8::1' }];
    expect(check.Check({ ...leave, landing: { ...landing, endpoints } })).toBe(true);
  });

  test.each([
    '10.9.9.9 dstport 4789\nnetns add z',
    '10.9.9.9 ',
    '10.9.9.9/24',
    '10.9.9',
    '10.9.9.256',
    'fe80::1%eth0',
    'localhost',
    '',
    '0x0a090909',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'ff02::1',
    '::ffff:224.0.0.1',
  ])('refuses %j instead of an address', (address) => {
    expect(check.Check({ ...leave, landing: { ...landing, endpoints: [{ provider: 'a', address }] } })).toBe(false);
    expect(check.Check({ ...leave, landing: { ...landing, lan: { ...lan, address } } })).toBe(false);
    expect(check.Check({ ...leave, landing: { ...landing, lan: { ...lan, gateway: address } } })).toBe(false);
    const source = { ...{ migration: 'v1:1', from: 'a', nic: 1, answerPort: 1, stallMs: 1, postCopy: false } };
    const spec = { ramBytes: 1, dirtyRateBps: 0, workingSetBytes: 0, diskBytes: 0, downtimeLimitMs: 1, targetRttMs: 1 };
    const machine = { image: 'default', vcpus: 1, spec };
    const receive = Compile(ReceiveOrder);
    expect(receive.Check({ ...source, machine, sources: [{ provider: 'a', address: '10.9.9.9' }] })).toBe(true);
    expect(receive.Check({ ...source, machine, sources: [{ provider: 'a', address }] })).toBe(false);
  });
});

test.each([
  { ...lan, prefix: 33 },
  { ...lan, prefix: 0 },
  { ...lan, gateway: '2001:db8::1' },
])('an order to leave refuses an address of a LAN with a gateway or prefix that does not fit: %j', (wrong) => {
  expect(Compile(LeaveOrder).Check({ ...leave, landing: { ...landing, lan: wrong } })).toBe(false);
});

const why = missing();
describe.skipIf(why !== undefined && process.env.CI !== 'true')(`an agent${why ? ` (skipped: ${why})` : ''}`, () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tagalong-injection-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /**
   * Runs `stretch.main.ts` in a network namespace of its own. In its own mount namespace, /run is empty: there `ip` keeps the names
   * of other namespaces.
   */
  const stretchTo = async (remote: string) => {
    const hide = 'mount -t tmpfs none /run && exec "$@"';
    const words = ['-n', '-m', 'sh', '-c', hide, 'sh', process.execPath, STRETCH, remote];
    return JSON.parse((await run('unshare', words)).stdout) as { outcome: string; tunnels: number; namespaces: string };
  };

  test('executes no command that an address contains', async () => {
    const pwned = join(folder, 'pwned');
    const remote = `10.9.9.9 dstport 4789\nnetns add z\nnetns exec z sh -c "id > ${pwned}"\n#`;
    expect(await stretchTo(remote)).toEqual({ outcome: 'ORDER_REFUSED', tunnels: 0, namespaces: '' });
    await expect(access(pwned)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('makes tunnels to an address', async () => {
    const { outcome, tunnels } = await stretchTo('10.9.9.9');
    expect({ outcome, tunnels }).toEqual({ outcome: 'done', tunnels: 2 });
  });
});
