/** Secrets that everybody knows or can guess are refused wherever other hosts can use them. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '#shared/config/load.ts';
import { weaknessOf } from '#shared/config/weak-secrets.ts';
import type { TagalongError } from '#shared/errors.ts';

function codeOf(config: object): string | undefined {
  try {
    parseConfig(JSON.stringify(config), 'test');
  } catch (error) {
    return (error as TagalongError).code;
  }
  return undefined;
}

const good = () => randomBytes(32).toString('base64url');
const PLACEHOLDER = 'replace-me-by-a-secret';
const nats = (host: string) => ({ url: `nats://${host}:4222` });
const auth = { user: 'tagalong', password: 'secret' };

describe('a placeholder of our examples', () => {
  test.each<[string, object]>([
    ['as token of a server that others reach', { http: { host: '0.0.0.0', token: PLACEHOLDER } }],
    ['as token of a server with a name', { http: { hosts: ['edge.example'], token: PLACEHOLDER } }],
    ['as token behind a proxy', { http: { trustedProxies: ['127.0.0.1'], token: PLACEHOLDER } }],
    [
      'as token of a device',
      { http: { host: '::', token: good(), tokens: [{ name: 'a', role: 'device', user: 'a', token: PLACEHOLDER }] } },
    ],
    [
      'as pseudonym key of a server that others reach',
      { http: { host: '10.0.0.1', token: good() }, ingest: { pseudonymKey: 'replace-me-by-another-secret' } },
    ],
    ['as pseudonym key with a bus elsewhere', { bus: nats('nats-1'), ingest: { pseudonymKey: PLACEHOLDER } }],
    ['as token for a collector elsewhere', { tracing: { otlpUrl: 'https://collector.example', token: PLACEHOLDER } }],
    ['as token of a webhook', { webhooks: [{ name: 'a', url: 'https://fleet.example/', token: PLACEHOLDER }] }],
    ['as password of the bus', { bus: { ...nats('nats-1'), auth } }],
    ['as password of the store', { store: { ...nats('[2001:db8::1]'), auth } }],
    ['as password of the MQTT gateway', { ingest: { mqtt: { ...nats('nats-1'), auth } } }],
  ])('is refused %s', (_where, config) => {
    expect(codeOf(config)).toBe('SECRET_WEAK');
  });

  test.each<[string, object]>([
    ['as token on loopback', { http: { token: PLACEHOLDER }, ingest: { pseudonymKey: PLACEHOLDER } }],
    ['with a bus on loopback', { bus: { ...nats('127.0.0.1'), auth }, ingest: { pseudonymKey: PLACEHOLDER } }],
    ['for a collector on this host', { tracing: { otlpUrl: 'http://[::1]:4318', token: PLACEHOLDER } }],
  ])('is accepted %s', (_where, config) => {
    expect(codeOf(config)).toBeUndefined();
  });

  test('is each one that the examples contain', () => {
    const found = ['tagalong', 'qemu'].flatMap((name) => {
      const text = readFileSync(new URL(`../../../../deploy/${name}.example.yaml`, import.meta.url), 'utf8');
      const { http, ingest } = parse(text);
      return [
        http.token,
        ingest.pseudonymKey,
        ...(text.match(/(?<=token: )replace-me\S+|(?<=signingKey: )\S+/g) ?? []),
      ];
    });
    expect(found.length).toBeGreaterThan(6);
    for (const placeholder of found) expect(weaknessOf(placeholder)).toContain('placeholder');
  });
});

test('a secret of few different characters is refused, a random one never', () => {
  for (const text of ['a'.repeat(64), '1212121212121212', 'abcabcabcabcabcabc', '0000000000000001']) {
    expect(codeOf({ http: { host: '0.0.0.0', token: text } }), text).toBe('SECRET_WEAK');
  }
  for (let i = 0; i < 1000; i++) {
    expect(weaknessOf(randomBytes(16).toString('hex'))).toBeUndefined();
    expect(weaknessOf(randomBytes(12).toString('base64url'))).toBeUndefined();
  }
});
