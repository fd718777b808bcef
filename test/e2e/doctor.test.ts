/** `tagalong doctor` checks this host, and correct and faulty network namespaces. */
import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '#deploy/doctor/finding.ts';
import { onTestBed } from '../testbed/needs.ts';
import { file, tagalong } from './cli.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const SLOW = { timeout: 60_000 };

const statesOf = (findings: readonly Finding[]) => Object.fromEntries(findings.map(({ what, state }) => [what, state]));

test('doctor checks this host, and reports in a table and as JSON', SLOW, async () => {
  const json = await tagalong(['doctor', '--json']);
  const { findings } = JSON.parse(json.stdout) as { findings: Finding[] };
  const missing = findings.filter(({ state }) => state === 'missing');
  expect(json.code).toBe(missing.length > 0 ? 1 : 0);
  expect(json.stderr === '').toBe(missing.length === 0);
  if (process.platform !== 'linux') return expect(missing.map(({ what }) => what)).toEqual(['Linux']);
  const enabled = await readFile('/proc/sys/net/mptcp/enabled', 'utf8').catch(() => undefined);
  expect(findings.find(({ what }) => what === 'multipath TCP')!.state).toBe(enabled === '1\n' ? 'ok' : 'missing');
  expect(findings.find(({ what }) => what === 'Linux')!.found).toBe(release());
  for (const { state, remedy } of findings) expect(remedy === undefined).toBe(state === 'ok');

  const { stdout } = await tagalong(['doctor']);
  const signs = { ok: '✓', wanting: '!', missing: '✗' };
  for (const { what, state } of findings) expect(stdout).toMatch(new RegExp(`^${signs[state]} +${what} `, 'm'));
});

onTestBed('in a network namespace', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tagalong-doctor-'));
    // The users of QEMUs pass through it.
    await chmod(folder, 0o711);
    execFileSync('sh', [`${ROOT}deploy/certificates.sh`, folder, 'control', 'boston=192.0.2.10'], { stdio: 'pipe' });
  });
  afterAll(() => rm(folder, { recursive: true }));

  const settings = () => `
site: boston
listen: { host: 192.0.2.10, port: 7443 }
tls: { ca: ${folder}/ca.pem, cert: ${folder}/boston.pem, key: ${folder}/boston.key }
stateDir: ${folder}/state
keptDisksBytes: 0
lan: { bridge: br0, subnet: 10.1.0.0/24, gateway: 10.1.0.1 }
endpoints: [{ provider: a, address: 198.51.100.10 }, { provider: b, address: 203.0.113.10 }]
qemu: { accel: tcg, images: { default: { disk: ${folder}/boston.pem } } }
`;
  /** Shell commands that prepare a new namespace for an agent. */
  const GOOD = `
ip link set lo up
ip address add 192.0.2.10/32 dev lo
ip address add 198.51.100.10/32 dev lo
ip address add 203.0.113.10/32 dev lo
ip rule add from 198.51.100.10 lookup 101
ip rule add from 203.0.113.10 lookup 102
ip link add br0 type bridge
ip mptcp limits set subflows 8 add_addr_accepted 8
`;

  /** Runs the doctor after these commands in a new namespace, which ends with the process. */
  async function doctorAfter(
    commands: string,
  ): Promise<{ code: number; stderr: string; states: Record<string, string> }> {
    const config = await file('agent.yaml', settings());
    const args = ['deploy/cli/main.ts', 'doctor', '--json', '--config', config];
    return new Promise((resolve) => {
      execFile(
        'unshare',
        ['--net', 'sh', '-ec', `${commands}\nexec node_modules/.bin/node "$@"`, 'sh', ...args],
        { cwd: ROOT },
        (error, stdout, stderr) => {
          const { findings } = JSON.parse(stdout) as { findings: Finding[] };
          resolve({ code: Number(error?.code ?? 0), stderr, states: statesOf(findings) });
        },
      );
    });
  }
  const faulty = (states: Record<string, string>) =>
    Object.fromEntries(Object.entries(states).filter(([what, state]) => state !== 'ok' && what !== 'clock'));

  test('doctor finds no fault in a correct namespace', SLOW, async () => {
    const { code, states } = await doctorAfter(GOOD);
    expect(faulty(states)).toEqual({});
    expect(code).toBe(0);
    expect(states).toMatchObject({ 'path a': 'ok', 'path b': 'ok', LAN: 'ok', certificate: 'ok', room: 'ok' });
  });

  test.each([
    ['without multipath TCP', 'sysctl -qw net.mptcp.enabled=0', { 'multipath TCP': 'missing' }],
    [
      'with the kernel’s own limits',
      'ip mptcp limits set subflows 2 add_addr_accepted 0',
      { 'MPTCP limits': 'wanting' },
    ],
    ['without a provider’s address', 'ip address del 203.0.113.10/32 dev lo', { 'path b': 'missing' }],
    ['without a provider’s rule', 'ip rule del from 203.0.113.10 lookup 102', { 'path b': 'wanting' }],
    ['without the LAN', 'ip link del br0', { LAN: 'missing' }],
    ['with a LAN that is too narrow', 'ip link set br0 mtu 1400', { LAN: 'missing' }],
    ['without the address for orders', 'ip address del 192.0.2.10/32 dev lo', { orders: 'missing' }],
    ['with a strict filter', 'sysctl -qw net.ipv4.conf.all.rp_filter=1', { 'reverse path filter': 'wanting' }],
  ] as const)('doctor reports a namespace %s, and no other fault', SLOW, async (_, command, expected) => {
    const { code, stderr, states } = await doctorAfter(`${GOOD}\n${command}`);
    expect(faulty(states)).toEqual(expected);
    const isMissing = Object.values(expected).includes('missing' as never);
    expect(code).toBe(isMissing ? 1 : 0);
    expect(stderr).toMatch(
      isMissing ? /^\{"error":\{"code":"HOST_UNFIT","message":"this host lacks 1 thing .*\n$/ : /^$/,
    );
  });
});
