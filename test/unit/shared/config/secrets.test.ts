/** Secrets of a configuration come from files and from the environment. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { loadConfigWithFiles, parseConfig } from '#shared/config/load.ts';
import type { TagalongError } from '#shared/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'tagalong-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const TOKEN = 'k3Jx9qLmZp0RtVw7';
function written(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}
const configuration = (text: string, mode?: number) => written('tagalong.yaml', text, mode);
function refusal(text: string): TagalongError {
  try {
    parseConfig(text, 'tagalong.yaml', folder);
  } catch (error) {
    return error as TagalongError;
  }
  throw new Error('accepted');
}

test('a relative path starts at the folder of the configuration; the line end of the file is no part of the secret', async () => {
  written('token', `${TOKEN}\n`);
  const { value } = await loadConfigWithFiles(configuration('http: { token: { file: token } }'));
  expect(value.http.token).toBe(TOKEN);
});

test('each kind of secret may be in a file or in the environment, in lists too', () => {
  written('token', TOKEN);
  vi.stubEnv('TAGALONG_TEST_SECRET', TOKEN);
  const both = ['{ file: token }', '{ env: TAGALONG_TEST_SECRET }'];
  for (const from of both) {
    const text = `http: { token: ${from}, tokens: [{ name: ops, role: operator, token: ${from} }] }
ingest: { pseudonymKey: ${from} }
tracing: { token: ${from} }
bus: { url: "nats://127.0.0.1:1", auth: { user: u, password: ${from} } }
store: { url: "nats://127.0.0.1:2", auth: { nkeySeed: ${from} } }
webhooks: [{ name: fleet, url: "http://127.0.0.1", token: ${from} }]`;
    const { http, ingest, tracing, bus, store, webhooks } = parseConfig(text, 'tagalong.yaml', folder);
    expect([http.token, http.tokens[0]!.token, ingest.pseudonymKey, tracing.token]).toEqual(Array(4).fill(TOKEN));
    expect([bus.auth!.password, store.auth!.nkeySeed, webhooks[0]!.token]).toEqual(Array(3).fill(TOKEN));
  }
});

describe('a secret is refused', () => {
  test.each([
    ['{ file: nowhere }', 'CONFIG_UNREADABLE', /:1: http\.token: .*nowhere.*ENOENT.*tagalong init/],
    ['{ env: TAGALONG_TEST_NONE }', 'CONFIG_UNREADABLE', /:1: http\.token: .*TAGALONG_TEST_NONE/],
    ['{ file: short }', 'CONFIG_INVALID', /:1: http\.token: has 5 characters; .*\{ file: PATH \}/],
    ['{ file: token, env: PATH }', 'CONFIG_INVALID', /:1: http\.token/],
    ['{ path: token }', 'CONFIG_INVALID', /:1: http\.token/],
    ['{ file: 7 }', 'CONFIG_INVALID', /:1: http\.token/],
  ])('%s', (from, code, says) => {
    written('short', 'short');
    written('token', TOKEN);
    const error = refusal(`http: { token: ${from} }`);
    expect(error).toMatchObject({ code, message: expect.stringMatching(says) });
    expect(error.message).not.toContain('short ');
  });

  test('only where a secret belongs: other keys do not read files', () => {
    written('host', '0.0.0.0');
    expect(refusal('http: { host: { file: host } }').code).toBe('CONFIG_INVALID');
  });
});

describe('files that others may read', () => {
  const exposed = async (text: string, mode: number) => (await loadConfigWithFiles(configuration(text, mode))).exposed;

  test('are named if they contain secrets: the configuration, or the file of a secret', async () => {
    const open = written('open', TOKEN, 0o644);
    expect(await exposed(`http: { token: ${TOKEN} }`, 0o644)).toEqual([join(folder, 'tagalong.yaml')]);
    expect(await exposed('http: { token: { file: open } }', 0o644)).toEqual([open]);
  });

  test('are not named if they contain none, or if only owner and group may read them', async () => {
    written('token', TOKEN, 0o640);
    expect(await exposed(`http: { token: ${TOKEN} }`, 0o640)).toEqual([]);
    expect(await exposed('http: { token: { file: token } }', 0o644)).toEqual([]);
    expect(await exposed('http: { token: replace-me-by-a-secret }', 0o644)).toEqual([]);
  });
});

test('the files of a configuration are those to look at for a change', async () => {
  const token = written('token', TOKEN);
  const { files } = await loadConfigWithFiles(configuration('http: { token: { file: token } }'));
  expect(files).toEqual([join(folder, 'tagalong.yaml'), token]);
});
