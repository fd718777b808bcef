import { expect, it } from 'vitest';
import { encode, envelop, type Fact } from '#shared/events/index.ts';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
const location = (user: string, atMs: number, lat: number): Fact => ({
  type: 'location.reported.v1',
  data: { vm: `vm-${user}`, user, atMs, lat, lon: 11.5, rtts: [{ site: 'west', rttMs: 4 }] },
});
const line = (fact: Fact, i: number) => encode(envelop(fact, `id-${i}`, '/tagalong/ingest'));

it('reads the positions of a recorded stream in order of time, and counts the other events', async () => {
  const facts: Fact[] = [
    location('ann', 1_700_000_005_001, 48.2),
    { type: 'session.attached.v1', data: { vm: 'vm-ann', user: 'ann', atMs: 1_700_000_000_000, weight: 1 } },
    location('bob', 1_700_000_000_000, 48.1),
    { type: 'vm.retired.v1', data: { vm: 'vm-bob', atMs: 1_700_000_000_000 } },
  ];
  const { fixes, report } = await readAll(folder.write('bus.ndjson', `${facts.map(line).join('\n')}\n`), {
    strict: true,
  });
  expect(report).toMatchObject({ format: 'events', rows: 2, bad: 0, others: 2 });
  expect(fixes).toEqual([
    { user: 'bob', atMs: 1_700_000_000_000, lat: 48.1, lon: 11.5 },
    { user: 'ann', atMs: 1_700_000_005_001, lat: 48.2, lon: 11.5 },
  ]);
});

it('counts invalid events as bad, and reports the fault of the first', async () => {
  const good = line(location('ann', 1_700_000_000_000, 48.1), 1);
  const beyond = line(location('ann', 1_700_000_000_000, 91), 2);
  const strange = good.replace('location.reported.v1', 'location.reported.v9');
  const path = folder.write('bad.ndjson', [good, beyond, strange, good.slice(0, 50), '[]', '7'].join('\n'));
  const { report } = await readAll(path);
  expect(report).toMatchObject({ rows: 6, bad: 5 });
  expect(report.firstBad).toMatch(`${path}:2: event: location.reported.v1 data.lat: `);
  await expect(readAll(path, { strict: true })).rejects.toMatchObject({ code: 'TRACE_ROW_INVALID' });
});
