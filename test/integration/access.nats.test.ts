/** A NATS server accepts the bus and the store with each kind of credentials, and refuses wrong ones with a code. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { expect, test, vi } from 'vitest';
import { natsBus } from '#shared/bus/nats/bus.ts';
import type { NatsCredentials } from '#shared/nats/options.ts';
import { natsStore } from '#shared/store/nats.ts';
import { locationOf, Recorder } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { onNats, startNats } from '../servers/nats.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** A JWT for an account or a user of NATS, signed by the issuer's nkey. */
function jwt(issuer: KeyPair, subject: KeyPair, nats: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    jti: randomUUID(),
    iat: 1_700_000_000,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: 'tagalong',
  };
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, nats: { ...nats, version: 2 } })}`;
  return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url')}`;
}

/** Starts a server with this configuration, and uses a bus and a store on it with these credentials. */
async function tryOut(
  config: string,
  credentials: NatsCredentials,
  { scheme = 'nats', prefix = `t${randomUUID().slice(0, 8)}` } = {},
): Promise<void> {
  const server = await startNats(config);
  try {
    const options = { servers: server.url.replace('nats', scheme), credentials, prefix };
    const bus = await natsBus(options);
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types: ['location.reported.v1'] }, seen.handler);
    await bus.publish([locationOf('vm-1', 1)]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1]), PATIENTLY);
    expect(bus.counters.serverErrors).toBe(0);
    await bus.close();
    const store = await natsStore(options);
    await store.put([{ key: 'k', value: 1, revision: 0 }]);
    expect((await store.list('')).length).toBe(1);
    await store.close();
  } finally {
    await server.stop();
  }
}

onNats('access to NATS', () => {
  const USERS = 'authorization { user: "tagalong", password: "right" }';

  test('accepts a user with its password', async () => {
    await tryOut(USERS, { user: 'tagalong', password: 'right' });
  });

  test('accepts a token', async () => {
    await tryOut('authorization { token: "t0ken" }', { token: 't0ken' });
  });

  test('accepts the seed of an nkey', async () => {
    const user = nkeys.createUser();
    const seed = new TextDecoder().decode(user.getSeed());
    await tryOut(`authorization { users: [ { nkey: "${user.getPublicKey()}" } ] }`, { nkeySeed: seed });
  });

  test('accepts the JWT and the seed of a .creds file', async () => {
    const [operator, user] = [nkeys.createOperator(), nkeys.createUser()];
    const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
    const limits = {
      mem_storage: -1,
      disk_storage: -1,
      streams: -1,
      consumer: -1,
      subs: -1,
      conn: -1,
      data: -1,
      payload: -1,
    };
    const accountLimits = { ...limits, imports: -1, exports: -1 };
    const accounts = [account, system].map((each) => {
      // The server refuses a system account that may have streams.
      const { mem_storage, disk_storage, ...rest } = accountLimits;
      const own = each === system ? rest : { ...rest, mem_storage, disk_storage };
      return `${each.getPublicKey()}: "${jwt(operator, each, { type: 'account', limits: own })}"`;
    });
    const unlimited = { subs: -1, data: -1, payload: -1 };
    const userJwt = jwt(account, user, { type: 'user', pub: {}, sub: {}, ...unlimited });
    const seed = new TextDecoder().decode(user.getSeed());
    const creds = [
      '-----BEGIN NATS USER JWT-----',
      userJwt,
      '------END NATS USER JWT------',
      '-----BEGIN USER NKEY SEED-----',
      seed,
      '------END USER NKEY SEED------',
      '',
    ].join('\n');
    const config = [
      `operator: "${jwt(operator, operator, { type: 'operator' })}"`,
      'resolver: MEMORY',
      `system_account: ${system.getPublicKey()}`,
      `resolver_preload: { ${accounts.join(', ')} }`,
    ].join('\n');
    await tryOut(config, { creds });
  });

  test('the permissions of the page about NATS suffice', async () => {
    const readme = readFileSync(`${ROOT}shared/bus/nats/README.md`, 'utf8');
    const lines = /```\n(publish: .*)\n(subscribe: .*)\n```/.exec(readme)!;
    const permissions = `{ ${lines[1]}, ${lines[2]} }`;
    const config = `authorization { users: [ { user: "a", password: "b", permissions: ${permissions} } ] }`;
    await tryOut(config, { user: 'a', password: 'b' }, { prefix: 'tagalong' });
  });

  test('accepts a client with a certificate, and refuses one without', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tagalong-nats-tls-'));
    try {
      execFileSync('sh', [`${ROOT}deploy/certificates.sh`, folder, 'nats=127.0.0.1', 'bus=127.0.0.1'], {
        stdio: 'ignore',
      });
      const file = (name: string) => readFileSync(join(folder, name));
      const tls = `tls { cert_file: "${folder}/nats.pem", key_file: "${folder}/nats.key", ca_file: "${folder}/ca.pem", verify: true }`;
      const ca = file('ca.pem');
      await tryOut(tls, { tls: { ca, cert: file('bus.pem'), key: file('bus.key') } }, { scheme: 'tls' });
      await expect(tryOut(tls, { tls: { ca } }, { scheme: 'tls' })).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('refuses a wrong password, and none', async () => {
    await expect(tryOut(USERS, { user: 'tagalong', password: 'wrong' })).rejects.toMatchObject({ code: 'BUS_REFUSED' });
    await expect(tryOut(USERS, {})).rejects.toMatchObject({ code: 'BUS_REFUSED' });
  });

  test('an account without the needed permissions fails at once', async () => {
    const account = (publish: string) =>
      `authorization { users: [ { user: "a", password: "b", permissions: { publish: [${publish}] } } ] }`;
    const connecting = (publish: string) => tryOut(account(publish), { user: 'a', password: 'b' });
    await expect(connecting('"$JS.API.INFO"')).rejects.toMatchObject({ code: 'BUS_REFUSED' });
    await expect(connecting('"$JS.API.>"')).rejects.toMatchObject({ code: 'BUS_REFUSED' });
  });

  test('the error about an absent server contains no password', async () => {
    const bus = natsBus({ servers: 'nats://alice:secret@127.0.0.1:1' });
    await expect(bus).rejects.toMatchObject({
      code: 'BUS_UNREACHABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    });
    await expect(bus).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
    await expect(natsStore({ servers: 'nats://127.0.0.1:1' })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  });

  test('an account without JetStream fails with BUS_UNFIT', async () => {
    const config = 'accounts { A { users: [ { user: "a", password: "b" } ] } }';
    await expect(tryOut(config, { user: 'a', password: 'b' })).rejects.toMatchObject({ code: 'BUS_UNFIT' });
  });
});
