/** A configuration opens bus and store, with its credentials. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';

const log = createLog('silent');
const event = envelop({ type: 'vm.retired.v1', data: { vm: 'v', atMs: 1 } }, 'e', '/test');
const configOf = (bus: object, store: object = {}): Config => parseConfig(JSON.stringify({ bus, store }), 'test');

/** Publishes and receives an event, writes and reads a record. */
async function works(config: Config): Promise<void> {
  const [bus, store] = [await openBus(config, log), await openStore(config, log)];
  try {
    const { promise, resolve } = Promise.withResolvers<void>();
    await bus.subscribe({ group: 'g', types: ['vm.retired.v1'] }, async () => resolve());
    await bus.publish([event]);
    await promise;
    await store.put([{ key: 'k', value: 1, revision: 0 }]);
    expect((await store.get('k'))?.value).toBe(1);
  } finally {
    await bus.close();
    await store.close();
  }
}

test('an empty configuration opens bus and store in memory', () => works(configOf({})));

test('the error about a missing file of credentials names the file', async () => {
  const config = configOf({ url: 'nats://127.0.0.1:1', auth: { credentialsFile: '/nowhere/a.creds' } });
  await expect(openBus(config, log)).rejects.toMatchObject({
    code: 'CONFIG_UNREADABLE',
    message: expect.stringContaining('/nowhere/a.creds'),
  });
});

onNats('a NATS server with authentication', () => {
  let server: NatsTestServer;
  beforeAll(async () => {
    server = await startNats('authorization { user: me, password: "a secret" }');
  });
  afterAll(() => server?.stop());

  test('the store at the url of the bus uses the credentials of the bus', async () => {
    const { url } = server;
    await works(configOf({ url, auth: { user: 'me', password: 'a secret' } }, { url }));
  });

  test.each([
    ['no credentials', undefined],
    ['wrong credentials', { user: 'me', password: 'another' }],
  ])('refuses %s, and the error contains no secret', async (_, auth) => {
    const error = await openBus(configOf({ url: server.url, ...(auth && { auth }) }), log).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'BUS_REFUSED' });
    expect(error.message).not.toContain('another');
  });

  test('fails with another code than an absent server', async () => {
    await expect(openBus(configOf({ url: 'nats://127.0.0.1:1' }), log)).rejects.toMatchObject({
      code: 'BUS_UNREACHABLE',
    });
  });
});
