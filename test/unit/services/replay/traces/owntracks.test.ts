import { expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
const at = (tst: number, more: object = {}) => ({ _type: 'location', lat: 48.1, lon: 11.5, tst, acc: 12, ...more });
const ANN = { user: 'ann-phone', atMs: 1_700_000_000_000, lat: 48.1, lon: 11.5 };

it.each([
  ['a record a line', (records: object[]) => records.map((record) => JSON.stringify(record)).join('\n')],
  ['an array', (records: object[]) => JSON.stringify(records)],
  ['an array over many lines', (records: object[]) => JSON.stringify(records, null, 2)],
])('reads %s: positions in order of time, users from topic, tracker or file', async (_, write) => {
  const path = folder.write(
    'home.json',
    write([
      at(1_700_000_009, { tid: 'bp' }),
      { _type: 'transition', event: 'enter', tst: 1_700_000_001, desc: 'home' },
      at(1_700_000_000, { topic: 'owntracks/ann/phone', tid: 'ap' }),
      { _type: 'lwt', tst: 1_700_000_002 },
      at(1_700_000_010),
    ]),
  );
  const { fixes, report } = await readAll(path, { strict: true });
  expect(report).toMatchObject({ format: 'owntracks', rows: 3, bad: 0, others: 2 });
  expect(fixes.map(({ user, atMs }) => [user, atMs / 1000])).toEqual([
    ['ann-phone', 1_700_000_000],
    ['bp', 1_700_000_009],
    ['home', 1_700_000_010],
  ]);
  expect(fixes[0]).toEqual(ANN);
});

it('skips bad records, and reports the line of the first', async () => {
  const lines = [JSON.stringify(at(1_700_000_000)), JSON.stringify({ ...at(1), tst: 'now' }), '{"_type":', '7', '[]'];
  const path = folder.write('bad.json', lines.join('\n'));
  const { report } = await readAll(path);
  expect(report).toMatchObject({ rows: 4, bad: 3, others: 1, firstBad: expect.stringMatching(`^${path}:2: t: "now"`) });
});

it('refuses an array that is cut off; the error names the line', async () => {
  const path = folder.write('cut.json', JSON.stringify([at(1), at(2)], null, 1).slice(0, -20));
  await expect(readAll(path)).rejects.toMatchObject({
    code: 'TRACE_UNREADABLE',
    message: expect.stringMatching(/cut\.json:\d+: /),
  });
});
