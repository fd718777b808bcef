/** Who gets onto a NATS server, and what those are told who do not. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUser } from 'nkeys.js';
import { expect, test } from 'vitest';
import { natsBus } from '#shared/bus/nats/bus.ts';
import type { NatsCredentials } from '#shared/bus/nats/options.ts';
import { natsStore } from '#shared/store/nats.ts';
import { onNats, startNats } from '../servers/nats.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

/** Opens a bus and a store on a server with that configuration, and closes them. */
async function knock(config: string, credentials: NatsCredentials, scheme = 'nats'): Promise<void> {
  const server = await startNats(config);
  try {
    const options = {
      servers: server.url.replace('nats', scheme),
      credentials,
      prefix: `t${randomUUID().slice(0, 8)}`,
    };
    await (await natsBus(options)).close();
    await (await natsStore(options)).close();
  } finally {
    await server.stop();
  }
}

onNats('access to NATS', () => {
  const USERS = 'authorization { user: "tagalong", password: "right" }';

  test('with a user and its password', async () => {
    await knock(USERS, { user: 'tagalong', password: 'right' });
  });

  test('with a token', async () => {
    await knock('authorization { token: "t0ken" }', { token: 't0ken' });
  });

  test('with the seed of an nkey', async () => {
    const user = createUser();
    const seed = new TextDecoder().decode(user.getSeed());
    await knock(`authorization { users: [ { nkey: "${user.getPublicKey()}" } ] }`, { nkeySeed: seed });
  });

  test('with certificates on both sides', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tagalong-nats-tls-'));
    try {
      execFileSync('sh', [`${ROOT}deploy/certificates.sh`, folder, 'nats=127.0.0.1', 'bus=127.0.0.1'], {
        stdio: 'ignore',
      });
      const file = (name: string) => readFileSync(join(folder, name));
      const tls = `tls { cert_file: "${folder}/nats.pem", key_file: "${folder}/nats.key", ca_file: "${folder}/ca.pem", verify: true }`;
      const ca = file('ca.pem');
      await knock(tls, { tls: { ca, cert: file('bus.pem'), key: file('bus.key') } }, 'tls');
      await expect(knock(tls, { tls: { ca } }, 'tls')).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a wrong password, or none, is refused', async () => {
    await expect(knock(USERS, { user: 'tagalong', password: 'wrong' })).rejects.toMatchObject({ code: 'BUS_REFUSED' });
    await expect(knock(USERS, {})).rejects.toMatchObject({ code: 'BUS_REFUSED' });
  });

  test('a server that is not there is unreachable, and no password is in what is said of it', async () => {
    const bus = natsBus({ servers: 'nats://alice:secret@127.0.0.1:1' });
    await expect(bus).rejects.toMatchObject({
      code: 'BUS_UNREACHABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    });
    await expect(bus).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
    await expect(natsStore({ servers: 'nats://127.0.0.1:1' })).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
  });

  test('a server without JetStream for us is unfit', async () => {
    const config = 'accounts { A { users: [ { user: "a", password: "b" } ] } }';
    await expect(knock(config, { user: 'a', password: 'b' })).rejects.toMatchObject({ code: 'BUS_UNFIT' });
  });
});
