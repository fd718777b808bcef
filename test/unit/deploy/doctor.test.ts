/** The doctor's findings about a host. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clockFinding, filterFinding, kernelFinding, limitsFinding, mptcpFinding } from '#deploy/doctor/kernel.ts';
import { kvmFinding, qemuFinding } from '#deploy/doctor/programs.ts';
import { certificateFinding, endpointFinding, imageFinding } from '#deploy/doctor/site.ts';

test.each([
  ['6.1.0-30-amd64', 'ok'],
  ['5.16.0', 'ok'],
  ['5.15.0-91-generic', 'missing'],
  ['4.19.0', 'missing'],
])('Linux %s is %s', (version, state) => {
  expect(kernelFinding(version).state).toBe(state);
});

test('multipath TCP must exist and be on', () => {
  expect(mptcpFinding('1').state).toBe('ok');
  expect(mptcpFinding('0')).toMatchObject({ state: 'missing', remedy: expect.stringContaining('net.mptcp.enabled=1') });
  expect(mptcpFinding(undefined)).toMatchObject({ state: 'missing', remedy: expect.stringContaining('CONFIG_MPTCP') });
});

test('the default limits of the kernel are too low, in either order of ip', () => {
  expect(limitsFinding('add_addr_accepted 0 subflows 2 \n')).toMatchObject({
    state: 'wanting',
    found: 'subflows 2, add_addr_accepted 0',
  });
  expect(limitsFinding('add_addr_accepted 8 subflows 8 \n').state).toBe('ok');
  expect(limitsFinding('subflows 8 add_addr_accepted 4').state).toBe('wanting');
  expect(limitsFinding(undefined).state).toBe('missing');
});

test('a strict reverse path filter and an unsynchronised clock are wanting', () => {
  expect(filterFinding('1').state).toBe('wanting');
  expect(filterFinding('2').state).toBe('ok');
  expect(clockFinding(undefined).state).toBe('wanting');
  expect(clockFinding({ by: 'chrony', synchronised: false })).toMatchObject({
    state: 'wanting',
    found: expect.stringContaining('chrony'),
  });
  expect(clockFinding({ by: 'systemd', synchronised: true }).state).toBe('ok');
});

test('QEMU must be 10.0 or later; KVM is necessary only if it is configured', () => {
  expect(qemuFinding('q', 'QEMU emulator version 10.0.2 (Debian)').state).toBe('ok');
  expect(qemuFinding('q', 'QEMU emulator version 7.2.22').state).toBe('missing');
  expect(qemuFinding('q', undefined).state).toBe('missing');
  expect(kvmFinding('auto', true).state).toBe('ok');
  expect(kvmFinding('auto', false).state).toBe('wanting');
  expect(kvmFinding('kvm', false).state).toBe('missing');
  expect(kvmFinding('tcg', false).state).toBe('ok');
});

test('each of several addresses needs its own rule, a single address needs none', () => {
  const rules = '0:\tfrom all lookup local\n100:\tfrom 127.0.0.1 lookup 100\n';
  expect(endpointFinding('a', '127.0.0.1', rules, 2).state).toBe('ok');
  expect(endpointFinding('a', '127.0.0.1', '', 1).state).toBe('ok');
  expect(endpointFinding('a', '127.0.0.1', '0:\tfrom all lookup local\n', 2).state).toBe('wanting');
  expect(endpointFinding('a', '198.51.100.250', rules, 1).state).toBe('missing');
});

describe('a certificate', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tagalong-doctor-'));
    for (const authority of ['ours', 'other']) {
      execFileSync('sh', ['deploy/certificates.sh', join(folder, authority), 'boston=192.0.2.10', 'oslo'], {
        stdio: 'pipe',
      });
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const files = (ca = 'ours/ca.pem', cert = 'ours/boston.pem', key = 'ours/boston.key') => ({
    ca: join(folder, ca),
    cert: join(folder, cert),
    key: join(folder, key),
  });
  const both = (...names: string[]) => names.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
  const afterDays = (days: number) => Date.now() + days * 86_400_000;

  test('must be from its authority, with its own key', async () => {
    expect((await certificateFinding(files(), Date.now(), 'boston')).state).toBe('ok');
    expect(await certificateFinding(files('other/ca.pem'), Date.now(), 'boston')).toMatchObject({
      state: 'missing',
      found: expect.stringContaining('is not of the authority'),
    });
    expect(await certificateFinding(files(undefined, undefined, 'ours/oslo.key'), Date.now(), 'boston')).toMatchObject({
      state: 'missing',
      found: expect.stringContaining('is not the key of'),
    });
    expect(await certificateFinding(files(), Date.now(), 'oslo')).toMatchObject({
      state: 'missing',
      found: expect.stringContaining('is not that of the site oslo'),
    });
    expect((await certificateFinding(files('ours/none.pem'), Date.now(), 'boston')).state).toBe('missing');
  });

  test('may be of one of several authorities, or of one between it and them', async () => {
    writeFileSync(join(folder, 'two.pem'), both('other/ca.pem', 'ours/ca.pem'));
    expect((await certificateFinding(files('two.pem'), Date.now(), 'boston')).state).toBe('ok');
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const request = (name: string, subject: string) =>
      openssl(
        ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', subject],
        ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
      );
    const sign = (name: string, by: string) =>
      openssl(
        ...[
          'x509',
          '-req',
          '-days',
          '825',
          '-in',
          `${name}.csr`,
          '-CA',
          `${by}.pem`,
          '-CAkey',
          `${by}.key`,
          '-CAcreateserial',
        ],
        ...['-extfile', `${name}.ext`, '-out', `${name}.pem`],
      );
    writeFileSync(join(folder, 'between.ext'), 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign');
    writeFileSync(join(folder, 'leaf.ext'), 'subjectAltName=DNS:boston');
    request('between', '/CN=between');
    sign('between', 'ours/ca');
    request('leaf', '/OU=site/CN=boston');
    sign('leaf', 'between');
    writeFileSync(join(folder, 'chain.pem'), both('leaf.pem', 'between.pem'));
    writeFileSync(join(folder, 'authorities.pem'), both('ours/ca.pem', 'between.pem'));
    const state = async (ca: string, cert: string) =>
      (await certificateFinding(files(ca, cert, 'leaf.key'), Date.now(), 'boston')).state;
    expect(await state('ours/ca.pem', 'chain.pem')).toBe('ok');
    expect(await state('authorities.pem', 'leaf.pem')).toBe('ok');
    expect(await state('ours/ca.pem', 'leaf.pem')).toBe('missing');
    expect(await state('other/ca.pem', 'chain.pem')).toBe('missing');
  });

  test('is wanting shortly before it expires, after 825 days', async () => {
    expect((await certificateFinding(files(), afterDays(700), 'boston')).state).toBe('ok');
    expect((await certificateFinding(files(), afterDays(810), 'boston')).state).toBe('wanting');
    expect((await certificateFinding(files(), afterDays(830), 'boston')).state).toBe('missing');
  });
});

test('the kernel of an image must be readable for users without privileges', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tagalong-image-'));
  try {
    const kernel = join(folder, 'kernel');
    writeFileSync(kernel, '', { mode: 0o644 });
    expect((await imageFinding('debian', { kernel })).state).toBe('ok');
    chmodSync(kernel, 0o600);
    expect((await imageFinding('debian', { kernel })).state).toBe('missing');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
