/** Tokens and certificates of a running server change with their files: without a restart, and without an outage. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { type FollowedTokens, followTokens } from '#services/runtime/token-files.ts';
import { loadConfigWithFiles } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';

const SOON = { timeout: 20_000, interval: 200 };
const [FIRST, SECOND, PHONE] = ['the first of two tokens', 'the second of two tokens', 'the token of a phone'] as const;

let folder: string;
let surface: HttpSurface | undefined;
let tokens: FollowedTokens | undefined;
let logged: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-token-files-'));
  logged = [];
});
afterEach(async () => {
  tokens?.close();
  await surface?.close();
  await rm(folder, { recursive: true });
});

const path = (name: string) => join(folder, name);
/** Replaces a file at once, as an operator's tools do. */
async function replace(name: string, text: string): Promise<void> {
  await writeFile(path('new'), text);
  await rename(path('new'), path(name));
}

async function serve(http: object): Promise<string> {
  await writeFile(path('tagalong.yaml'), JSON.stringify({ http: { port: 0, ...http } }));
  const log = createLog('trace', { write: (line) => void logged.push(line) });
  const loaded = await loadConfigWithFiles(path('tagalong.yaml'));
  tokens = followTokens(path('tagalong.yaml'), loaded, log);
  surface = await createHttp({ config: loaded.value.http, httpTokens: tokens.current, log });
  surface.app.get('/v1/thing', { config: { access: 'read' } }, async (request) => ({ who: request.caller.name }));
  return (await surface.listen()).url;
}

const statusOf = async (url: string, token: string) =>
  (await fetch(`${url}/v1/thing`, { headers: { authorization: `Bearer ${token}` } })).status;

test('a token changes with its file; a file that is wrong or gone changes nothing', async () => {
  await writeFile(path('admin.token'), FIRST);
  const url = await serve({ token: { file: 'admin.token' } });
  expect([await statusOf(url, FIRST), await statusOf(url, SECOND)]).toEqual([200, 401]);
  await replace('admin.token', `${SECOND}\n`);
  await expect.poll(() => statusOf(url, SECOND), SOON).toBe(200);
  expect(await statusOf(url, FIRST)).toBe(401);

  const faults = () => logged.filter((line) => line.includes('the tokens stay as they were'));
  await replace('admin.token', 'short');
  await expect.poll(() => faults().length, SOON).toBe(1);
  await rm(path('admin.token'));
  await expect.poll(() => faults().length, SOON).toBe(2);
  expect(await statusOf(url, SECOND)).toBe(200);
  expect(logged.join()).not.toMatch(/first of two|second of two/);
});

test('two tokens overlap during a change, so that no request is refused; a removed one is', async () => {
  const admin = (name: string, token: string) => ({ name, role: 'admin', token });
  const url = await serve({ tokens: [admin('old', FIRST)] });
  const configure = (...named: object[]) => replace('tagalong.yaml', JSON.stringify({ http: { tokens: named } }));
  await configure(admin('old', FIRST), admin('new', SECOND), admin('phone', PHONE));
  await expect.poll(() => statusOf(url, SECOND), SOON).toBe(200);
  expect(await statusOf(url, FIRST)).toBe(200);
  await configure(admin('new', SECOND));
  await expect.poll(() => statusOf(url, FIRST), SOON).toBe(401);
  expect([await statusOf(url, SECOND), await statusOf(url, PHONE)]).toEqual([200, 401]);
});

test('a removed token is refused as soon as the file of its successor is there, although it came later', async () => {
  const url = await serve({ tokens: [{ name: 'old', role: 'admin', token: FIRST }] });
  const successor = { name: 'next', role: 'admin', token: { file: 'next.token' } };
  await replace('tagalong.yaml', JSON.stringify({ http: { tokens: [successor] } }));
  const faults = () => logged.filter((line) => line.includes('the tokens stay as they were'));
  await expect.poll(() => faults().length, SOON).toBe(1);
  await writeFile(path('next.token'), SECOND);
  await expect.poll(() => statusOf(url, FIRST), SOON).toBe(401);
  expect(await statusOf(url, SECOND)).toBe(200);
  expect(faults()).toHaveLength(1);
});

test('a change between the start and the first look counts', async () => {
  const configure = (token: string) => writeFile(path('tagalong.yaml'), JSON.stringify({ http: { token } }));
  await configure(FIRST);
  const loaded = await loadConfigWithFiles(path('tagalong.yaml'));
  await configure(SECOND);
  tokens = followTokens(path('tagalong.yaml'), loaded, createLog('silent'));
  expect(tokens.current().token).toBe(FIRST);
  await expect.poll(() => tokens!.current().token, SOON).toBe(SECOND);
});

test('no change of the file opens a server that asks for tokens', async () => {
  const url = await serve({ token: FIRST });
  await replace('tagalong.yaml', '{}');
  await expect.poll(() => logged.join().includes('only a restart'), SOON).toBe(true);
  expect([await statusOf(url, FIRST), await statusOf(url, SECOND)]).toEqual([200, 401]);
});

test('a renewed certificate is served without a restart; a key without its certificate is not', async () => {
  const make = (to: string) => execFileSync('sh', ['deploy/certificates.sh', path(to), 'control=127.0.0.1']);
  make('one');
  make('two');
  for (const kind of ['pem', 'key']) await copyFile(path(`one/control.${kind}`), path(`https.${kind}`));
  const url = await serve({ token: FIRST, tls: { cert: path('https.pem'), key: path('https.key') } });
  const isServed = async (by: string) => {
    const socket = connect({
      host: '127.0.0.1',
      port: Number(new URL(url).port),
      ca: await readFile(path(`${by}/ca.pem`)),
    });
    const end = await Promise.race([once(socket, 'secureConnect').then(() => true), once(socket, 'error')]).catch(
      () => false,
    );
    socket.destroy();
    return end === true;
  };
  expect([await isServed('one'), await isServed('two')]).toEqual([true, false]);
  await copyFile(path('two/control.key'), path('https.key'));
  await expect.poll(() => logged.join().includes('the changed certificate is not used'), SOON).toBe(true);
  expect(await isServed('one')).toBe(true);
  await copyFile(path('two/control.pem'), path('https.pem'));
  await expect.poll(() => isServed('two'), SOON).toBe(true);
});
