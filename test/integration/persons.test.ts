/** A person's subject at the provider of access tokens is the name of a token. */
import Fastify, { type FastifyInstance } from 'fastify';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { callerName } from '#services/runtime/audit.ts';
import { personCheck } from '#services/runtime/persons.ts';
import { parseConfig } from '#shared/config/load.ts';
import { MAX_CALLER } from '#shared/events/audit-type.ts';
import { createLog } from '#shared/log.ts';

const AUDIENCE = 'https://tagalong.example';
let provider: FastifyInstance | undefined;
afterEach(() => provider?.close());

/** Starts a provider. @returns the caller by the access token of a subject with a role */
async function serve() {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const [port] = await freePorts(1);
  const issuer = `http://127.0.0.1:${port}`;
  provider = Fastify();
  provider.get('/.well-known/openid-configuration', async () => ({ issuer, jwks_uri: `${issuer}/keys` }));
  provider.get('/keys', async () => ({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }));
  await provider.listen({ host: '127.0.0.1', port: port! });
  const roles = ['operator', 'device'].map((role) => ({ claim: 'group', value: role, role }));
  const config = parseConfig(JSON.stringify({ http: { oidc: { issuer, audience: AUDIENCE, roles } } }), 'test');
  const check = personCheck(config.http.oidc!, (user) => user, createLog('silent'));
  return async (sub: string, group: 'operator' | 'device') => {
    const token = await new SignJWT({ iss: issuer, aud: AUDIENCE, sub, group })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'k' })
      .setExpirationTime('1h')
      .sign(privateKey);
    return check(token);
  };
}

test('no person has the name of a token, in the audit or for the limit of requests', async () => {
  const callerOf = await serve();
  for (const sub of ['http.token', 'token 4711', 'maria', 'everybody', 'nobody']) {
    expect(await callerOf(sub, 'operator')).toEqual({ name: `person ${sub}`, role: 'operator' });
    expect(await callerOf(sub, 'device')).toEqual({ name: `person ${sub}`, role: 'device', user: sub });
  }
});

test('two people with long subjects have two names, which the audit does not cut', async () => {
  const callerOf = await serve();
  const [one, other] = [
    await callerOf(`${'s'.repeat(200)}1`, 'operator'),
    await callerOf(`${'s'.repeat(200)}2`, 'operator'),
  ];
  expect(one!.name).not.toBe(other!.name);
  expect(callerName(one!)).toBe(one!.name);
  const tooLong = await callerOf('s'.repeat(1_000), 'operator');
  expect(tooLong!.name.length).toBeLessThanOrEqual(MAX_CALLER);
});
