/** The HTTP interface accepts the shared token and access tokens of a real OpenID Connect provider, with and without TLS. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { type OidcTestServer, startOidc } from '../servers/oidc.ts';

const AUDIENCE = 'https://tagalong.example';
const TOKEN = 'a token of more than sixteen';
const roles = [
  { claim: 'groups', value: 'admins', role: 'admin' },
  { claim: 'groups', value: 'phones', role: 'device' },
  { claim: 'permissions', value: 'look', role: 'viewer' },
];
let surface: HttpSurface | undefined;
let logged: string[];

afterEach(async () => {
  await surface?.close();
  surface = undefined;
});

async function serve(http: object) {
  logged = [];
  const log = createLog('trace', { write: (line) => void logged.push(line) });
  const config = parseConfig(JSON.stringify({ http: { port: 0, ...http } }), 'test');
  surface = await createHttp({ config: config.http, log });
  surface.app.get('/v1/thing', { config: { access: 'read' } }, async () => ({ it: 'works' }));
  return (await surface.listen()).url;
}

const status = async (url: string, token: string) =>
  (await fetch(`${url}/v1/thing`, { headers: { authorization: `Bearer ${token}` } })).status;

describe('OpenID Connect', () => {
  let provider: OidcTestServer;
  beforeAll(async () => {
    provider = await startOidc();
  });
  afterAll(() => provider?.stop());

  test('accepts an access token for this audience, and the shared token', async () => {
    const url = await serve({ token: TOKEN, oidc: { issuer: provider.issuer, audience: AUDIENCE, roles } });
    expect(await status(url, await provider.token(AUDIENCE))).toBe(200);
    expect(await status(url, TOKEN)).toBe(200);
    expect(await status(url, `${TOKEN}x`)).toBe(401);
  });

  test('refuses tokens that are expired, altered, foreign, or for another audience', async () => {
    const url = await serve({ oidc: { issuer: provider.issuer, audience: AUDIENCE, roles } });
    expect(await status(url, await provider.token('https://elsewhere.example'))).toBe(401);
    const brief = await provider.token(AUDIENCE, 1);
    await expect.poll(() => status(url, brief), { timeout: 10_000, interval: 300 }).toBe(401);
    const [head, , signature] = (await provider.token(AUDIENCE)).split('.');
    const claims = { iss: provider.issuer, aud: AUDIENCE, exp: Math.floor(Date.now() / 1000) + 3600, sub: 'mallory' };
    const body = Buffer.from(JSON.stringify(claims)).toString('base64url');
    expect(await status(url, [head, body, signature].join('.'))).toBe(401);
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(TOKEN));
    expect(await status(url, forged)).toBe(401);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
    expect(await status(url, unsigned)).toBe(401);
    expect(logged.join()).not.toContain('mallory');
  });

  test('gives a person the role of the claims, and refuses a person without a role', async () => {
    const url = await serve({ oidc: { issuer: provider.issuer, audience: AUDIENCE, roles } });
    expect(await status(url, await provider.token(AUDIENCE, 60, { groups: ['staff', 'admins'] }))).toBe(200);
    expect(await status(url, await provider.token(AUDIENCE, 60, { groups: [], permissions: 'speak look' }))).toBe(200);
    expect(await status(url, await provider.token(AUDIENCE, 60, { groups: ['phones'] }))).toBe(403);
    expect(await status(url, await provider.token(AUDIENCE, 60, { groups: ['strangers'] }))).toBe(403);
  });

  test('refuses an ID token of the same provider for the same audience', async () => {
    const url = await serve({ oidc: { issuer: provider.issuer, audience: AUDIENCE, roles } });
    const claims = { sub: 'ann', groups: ['admins'] };
    const idToken = await provider.idToken(AUDIENCE, claims);
    const [, body] = idToken.split('.');
    expect(JSON.parse(Buffer.from(body!, 'base64url').toString())).toMatchObject({ aud: AUDIENCE, ...claims });
    expect(await status(url, await provider.token(AUDIENCE))).toBe(200);
    expect(await status(url, idToken)).toBe(401);
  });

  test('refuses access tokens while the provider is down, and still accepts the shared token', async () => {
    const away = await startOidc();
    const { issuer } = away;
    const token = await away.token(AUDIENCE);
    const url = await serve({ token: TOKEN, oidc: { issuer, audience: AUDIENCE, roles } });
    await away.stop();
    expect(await status(url, token)).toBe(401);
    expect(await status(url, TOKEN)).toBe(200);
    expect(logged.join()).toContain('the issuer of tokens cannot be asked');
  });
});

test('a server with a certificate speaks https only', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-tls-'));
  try {
    execFileSync('sh', ['deploy/certificates.sh', folder, 'control=127.0.0.1']);
    const [cert, key] = [join(folder, 'control.pem'), join(folder, 'control.key')];
    const url = await serve({ token: TOKEN, tls: { cert, key } });
    expect(url).toMatch(/^https:/);
    const ca = await readFile(join(folder, 'ca.pem'));
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      get(`${url}/v1/thing`, { ca, headers }, (response) => resolve(response.resume().statusCode)).on('error', reject);
    });
    expect(answer).toBe(200);
    await expect(fetch(`${url}/v1/thing`), 'a client that does not trust the authority').rejects.toThrow();
    await expect(fetch(url.replace('https', 'http')), 'plain http').rejects.toThrow();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
