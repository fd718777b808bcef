/** Bus and store by a configuration, with who we are to a server that asks. */
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

/** An event there and back, a record there and back. */
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

test('a configuration that names none has both in memory', () => works(configOf({})));

test('a file of credentials that is not there is named', async () => {
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

  test('takes user and password of the bus for the store at the same url too', async () => {
    const { url } = server;
    await works(configOf({ url, auth: { user: 'me', password: 'a secret' } }, { url }));
  });

  test.each([
    ['none', undefined],
    ['wrong ones', { user: 'me', password: 'another' }],
  ])('refuses %s, and the error contains no secret', async (_, auth) => {
    const error = await openBus(configOf({ url: server.url, ...(auth && { auth }) }), log).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'BUS_REFUSED' });
    expect(error.message).not.toContain('another');
  });

  test('is told apart from one that is not there', async () => {
    await expect(openBus(configOf({ url: 'nats://127.0.0.1:1' }), log)).rejects.toMatchObject({
      code: 'BUS_UNREACHABLE',
    });
  });
});
