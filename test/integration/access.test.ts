/** The HTTP interface accepts the shared token and access tokens of a real OpenID Connect provider, with and without TLS. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
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

  test('cannot tell about access tokens while the provider is down, and still accepts the shared token', async () => {
    const away = await startOidc();
    const { issuer } = away;
    const token = await away.token(AUDIENCE);
    const url = await serve({ token: TOKEN, oidc: { issuer, audience: AUDIENCE, roles } });
    await away.stop();
    expect(await status(url, token)).toBe(503);
    expect(await status(url, TOKEN)).toBe(200);
    expect(logged.join()).toContain('the issuer of tokens cannot be asked');
  });

  describe('a provider that fails', () => {
    let issuer: FastifyInstance | undefined;
    afterEach(() => issuer?.close());

    /** @returns how often the provider was asked */
    async function failing(
      routes: (app: FastifyInstance, at: string) => void,
    ): Promise<{ at: string; asked(): number }> {
      let asked = 0;
      issuer = Fastify();
      const [port] = await freePorts(1);
      const at = `http://127.0.0.1:${port}`;
      issuer.addHook('onRequest', async () => void asked++);
      routes(issuer, at);
      await issuer.listen({ host: '127.0.0.1', port: port! });
      return { at, asked: () => asked };
    }
    const guesses = (url: string) => Promise.all(Array.from({ length: 20 }, (_, i) => status(url, `a${i}.b.c`)));
    const jwt = async (at: string) => {
      const { privateKey } = await generateKeyPair('ES256');
      const header = { alg: 'ES256', typ: 'at+jwt', kid: 'unknown' };
      return new SignJWT({ iss: at, aud: AUDIENCE, sub: 'ann' })
        .setProtectedHeader(header)
        .setExpirationTime('1h')
        .sign(privateKey);
    };
    const discovery = '/.well-known/openid-configuration';

    test('is asked once, not once for each guess', async () => {
      const { at, asked } = await failing((app) => app.get(discovery, async (_, reply) => reply.code(500).send({})));
      const url = await serve({ token: TOKEN, oidc: { issuer: at, audience: AUDIENCE, roles } });
      expect(new Set(await guesses(url))).toEqual(new Set([503]));
      expect(await status(url, await jwt(at))).toBe(503);
      expect(asked()).toBe(1);
    });

    test('with its keys is no reason to call a token wrong', async () => {
      const { at, asked } = await failing((app, own) => {
        app.get(discovery, async () => ({ issuer: own, jwks_uri: `${own}/keys` }));
        app.get('/keys', async (_, reply) => reply.code(500).send({}));
      });
      const url = await serve({ token: TOKEN, oidc: { issuer: at, audience: AUDIENCE, roles } });
      const token = await jwt(at);
      expect(await Promise.all(Array.from({ length: 20 }, () => status(url, token)))).toEqual(Array(20).fill(503));
      expect(asked()).toBe(2);
    });

    test('with its keys at a foreign address without TLS is not believed', async () => {
      const { at, asked } = await failing((app, own) =>
        app.get(discovery, async () => ({ issuer: own, jwks_uri: 'http://192.0.2.1/keys' })),
      );
      const url = await serve({ token: TOKEN, oidc: { issuer: at, audience: AUDIENCE, roles } });
      expect(await status(url, await jwt(at))).toBe(503);
      expect(asked()).toBe(1);
      expect(logged.join()).toContain('its keys come over http');
    });
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
