/** A change of the key of the pseudonyms: sessions and device tokens move, and nothing is lost. */
import { expect, test } from 'vitest';
import { createNames } from '#services/ingest/names.ts';
import { createTokens } from '#services/runtime/tokens.ts';
import { parseConfig } from '#shared/config/load.ts';
import { clock, data, fullSpec, here, logged, ownIngest, published, start, store } from './ingest-world.ts';

ownIngest();

const OLD = 'the old key of the pseudonyms';
const NEW = 'the new key of the pseudonyms';
const only = `ingest: { pseudonymKey: "${NEW}" }`;
const both = `ingest: { pseudonymKey: "${NEW}", formerPseudonymKeys: ["${OLD}"] }`;
const nameUnder = (key: string, user: string) =>
  createNames(parseConfig(`ingest: { pseudonymKey: "${key}" }`, 'test').ingest).pseudonymOf(user);
const OLD_ANN = nameUnder(OLD, 'ann');
const ANN = nameUnder(NEW, 'ann');

async function attachedUnderTheOldKey() {
  const { ingest } = await start(`ingest: { pseudonymKey: "${OLD}" }`);
  for (const vm of ['v1', 'v2']) await ingest.declareVm(vm, 'east', fullSpec);
  await ingest.attach('v1', 'ann', 1);
  await ingest.attach('v2', 'ann', 3);
  await ingest.attach('v1', 'bob', 1);
  await ingest.stop();
}
const report = (ask: Awaited<ReturnType<typeof start>>['ask'], user: string) =>
  ask('POST', '/v1/locations', { user, ...here });

test('without the former key, a user who reports is attached to nothing', async () => {
  await attachedUnderTheOldKey();
  const { ask } = await start(only);
  expect((await report(ask, 'ann')).body).toMatchObject({ accepted: 0, unattached: 1 });
});

test('with it, the sessions move at the first report, and its positions count', async () => {
  await attachedUnderTheOldKey();
  const { ask } = await start(both);
  expect((await report(ask, 'ann')).body).toMatchObject({ accepted: 1, events: 2 });
  expect(data(await published('location.reported.v1'))).toMatchObject([
    { vm: 'v1', user: ANN },
    { vm: 'v2', user: ANN },
  ]);
  // A VM is never without its user: the new session begins before the old one ends.
  const changes = (await published('session.attached.v1', 'session.detached.v1')).slice(3);
  expect(changes.map(({ type, data }) => [type, 'vm' in data && data.vm, 'user' in data && data.user])).toEqual(
    ['v1', 'v2'].flatMap((vm) => [
      ['session.attached.v1', vm, ANN],
      ['session.detached.v1', vm, OLD_ANN],
      ['session.attached.v1', vm, ANN],
    ]),
  );
  const kept = JSON.stringify(await store.list('ingest/user/'));
  expect(kept).not.toContain(OLD_ANN);
  expect(kept).toContain(nameUnder(OLD, 'bob'));
  expect((await store.list<{ sessions: unknown }>(`ingest/user/${ANN}`))[0]!.value.sessions).toEqual([
    { vm: 'v1', weight: 1 },
    { vm: 'v2', weight: 3 },
  ]);
  expect(logged.join('')).not.toMatch(new RegExp(`${ANN}|${OLD_ANN}`));

  // After the change the former key is not needed any more.
  const { ask: later } = await start(only);
  expect((await report(later, 'ann')).body).toMatchObject({ accepted: 1, events: 2 });
});

test('a user who is attached again or detached by an operator has one session, or none', async () => {
  await attachedUnderTheOldKey();
  const { ask } = await start(both);
  expect((await ask('PUT', '/v1/vms/v1/sessions/ann', { weight: 5 })).status).toBe(204);
  expect((await ask('DELETE', '/v1/vms/v2/sessions/ann')).status).toBe(204);
  expect((await ask('DELETE', '/v1/vms/v1/sessions/bob')).status).toBe(204);
  const kept = await store.list<{ sessions: unknown }>('ingest/user/');
  expect(kept.map(({ key, value }) => [key, value.sessions])).toEqual([
    [`ingest/user/${ANN}`, [{ vm: 'v1', weight: 5 }]],
  ]);
});

test('a move that another process has begun goes on', async () => {
  await attachedUnderTheOldKey();
  const { ingest } = await start(only);
  await ingest.attach('v1', 'ann', 1);
  await ingest.stop();
  const { ask } = await start(both);
  expect((await report(ask, 'ann')).body).toMatchObject({ accepted: 1, events: 2 });
  expect(await store.list(`ingest/user/${OLD_ANN}`)).toEqual([]);
});

test('the device token of a user moves with the sessions, or at the first report', async () => {
  await attachedUnderTheOldKey();
  const tokens = createTokens(store, clock);
  const life = { role: 'device', by: 'admin', expiresInMs: 60_000 } as const;
  const { token } = await tokens.create({ ...life, user: OLD_ANN });
  const { id } = await tokens.create({ ...life, user: nameUnder(OLD, 'carl') });
  const config = parseConfig(both, 'test');
  const names = createNames(config.ingest, tokens);
  const { ownUserCheck } = await import('#services/ingest/own-user.ts');
  const check = ownUserCheck(names);
  const caller = { name: `token ${id}`, role: 'device', user: nameUnder(OLD, 'carl') } as const;
  await expect(check({ caller }, [{ user: 'ann' }])).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await check({ caller }, [{ user: 'carl' }]);
  expect((await tokens.list()).find((one) => one.id === id)?.user).toBe(nameUnder(NEW, 'carl'));

  names.former.note('ann');
  await names.moveTokens(OLD_ANN, names.former.presentOf(OLD_ANN));
  expect((await tokens.recognise(token))?.user).toBe(ANN);
});

test.each([
  ['without a present key', `ingest: { formerPseudonymKeys: ["${OLD}"] }`],
  ['with the present key among the former ones', `ingest: { pseudonymKey: "${OLD}", formerPseudonymKeys: ["${OLD}"] }`],
  ['with three of them', `ingest: { pseudonymKey: "${NEW}", formerPseudonymKeys: ["${OLD}1", "${OLD}2", "${OLD}3"] }`],
])('former keys are refused %s, and not repeated in the error', (_, yaml) => {
  expect(() => parseConfig(yaml, 'test')).toThrow(/formerPseudonymKeys/);
  expect(() => parseConfig(yaml, 'test')).not.toThrow(OLD);
});
