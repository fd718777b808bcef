import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();

it('reads latitude first, and times with a zone', async () => {
  const text =
    '21;2014-02-01 00:00:00.250999+01;POINT(41.8812345678901 12.4812345678901)\n' +
    '22;2014-02-01 00:00:01.500001+01;POINT(41.9123456789012 12.4612345678901)\n';
  const { fixes, report } = await readAll(folder.write('taxi_february.txt.gz', gzipSync(text)), { strict: true });
  expect(report).toMatchObject({ format: 'rome', rows: 2, bad: 0 });
  expect(fixes).toEqual([
    { user: '21', atMs: Date.UTC(2014, 0, 31, 23, 0, 0, 250), lat: 41.8812345678901, lon: 12.4812345678901 },
    { user: '22', atMs: Date.UTC(2014, 0, 31, 23, 0, 1, 500), lat: 41.9123456789012, lon: 12.4612345678901 },
  ]);
});

it.each([
  ['21;2014-02-01 00:00:02+01', 'point'],
  ['21;2014-02-01 00:00:02+01;LINE(1 2)', 'point'],
  ['21;2014-02-01 00:00:02+01;POINT(41.9)', 'lon'],
  ['21;tomorrow;POINT(41.9 12.5)', 't'],
  [';2014-02-01 00:00:02+01;POINT(41.9 12.5)', 'user'],
])('%s is skipped, counted and described by its field, %s', async (row, field) => {
  const path = folder.write('taxi.txt', `21;2014-02-01 00:00:00+01;POINT(41.8 12.4)\n${row}\n`);
  const { report } = await readAll(path);
  expect(report).toMatchObject({ rows: 2, bad: 1, firstBad: expect.stringMatching(`^${path}:2: ${field}: `) });
  await expect(readAll(path, { strict: true })).rejects.toMatchObject({ code: 'TRACE_ROW_INVALID' });
});
