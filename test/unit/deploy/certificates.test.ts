/** The list of revoked certificates that deploy/certificates.sh makes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tagalong-certificates-'));
  expect(script(folder, 'oslo', 'bonn')).toBe(0);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const script = (...args: string[]) => spawnSync('sh', ['deploy/certificates.sh', ...args]).status;
/** The number of certificates in the list. */
const listed = () => {
  const { stdout } = spawnSync('openssl', ['crl', '-in', join(folder, 'crl.pem'), '-noout', '-text']);
  return `${stdout}`.split('Serial Number:').length - 1;
};

test('revoking a name that does not exist revokes none, and the right names can be revoked then', () => {
  expect(script('--revoke', folder, 'oslo', 'bnn')).not.toBe(0);
  expect(script('--revoke', folder, 'oslo', 'bonn')).toBe(0);
  expect(listed()).toBe(2);
});

test('a name that is revoked already is no failure, and the list is made again', () => {
  expect(script('--revoke', folder, 'oslo')).toBe(0);
  rmSync(join(folder, 'crl.pem'));
  expect(script('--revoke', folder, 'oslo', 'bonn')).toBe(0);
  expect(listed()).toBe(2);
});

test.each(['ca', 'crl'])('no certificate can have the name %s', (name) => {
  expect(script(folder, name)).toBe(2);
});
