/** `tagalong token`: from an admin's token to a device that reports its own position, and to its refusal. */
import { expect, test } from 'vitest';
import { begin, file, tagalong } from './cli.ts';

const TOKEN = 'a token of more than sixteen';
const sites = [{ site: 'west', lat: 42, lon: -71, slots: 1, uplinks: [{ provider: 'a', rateBps: 1e8 }] }];

test('an admin issues a token for a device, lists it and revokes it', { timeout: 120_000 }, async () => {
  const config = await file('tagalong.json', JSON.stringify({ http: { port: 0, token: TOKEN }, sites }));
  const server = begin(['up', '--config', config]);
  const url = await server.url();
  const env = { TAGALONG_URL: url, TAGALONG_TOKEN: TOKEN };
  const created = await tagalong(['token', 'create', '--role', 'device', '--user', 'alice', '--expires', '30d'], env);
  expect(created.code, created.stderr).toBe(0);
  const token = created.stdout.trim();
  expect(token).toMatch(/^tgl_/);
  const report = async (user: string) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ user, lat: 42, lon: -71 });
    return (await fetch(`${url}/v1/locations`, { method: 'POST', headers, body })).status;
  };
  expect(await report('alice')).toBe(202);
  expect(await report('bob')).toBe(403);

  const listed = await tagalong(['token', 'list', '--json'], env);
  const { tokens } = JSON.parse(listed.stdout) as {
    tokens: { id: string; createdAtMs: number; expiresAtMs: number }[];
  };
  expect(tokens).toMatchObject([{ role: 'device', user: 'alice', by: 'http.token' }]);
  expect(tokens[0]!.expiresAtMs - tokens[0]!.createdAtMs).toBe(30 * 86_400_000);
  expect((await tagalong(['status'], { ...env, TAGALONG_TOKEN: token })).stderr).toContain('FORBIDDEN');

  const { code } = await tagalong(['token', 'revoke', tokens[0]!.id], env);
  expect(code).toBe(0);
  expect(await report('alice')).toBe(401);
  const again = await tagalong(['token', 'revoke', tokens[0]!.id], env);
  expect({ code: again.code, error: again.stderr }).toEqual({
    code: 1,
    error: expect.stringContaining('TOKEN_UNKNOWN'),
  });

  const audit = await tagalong(['audit', '--since', '1h', '--on', tokens[0]!.id], env);
  expect(audit.stdout).toMatch(
    /http\.token +admin +127\.0\.0\.1 +POST \/v1\/tokens +id [0-9a-f]{16} .* done \(201\)$/m,
  );
  expect(audit.stdout).toMatch(/ DELETE \/v1\/tokens\/:id .* failed \(404\)$/m);
});
