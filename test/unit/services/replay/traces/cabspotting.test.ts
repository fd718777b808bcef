import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();

it('merges the cabs by time, in either order of rows, with either line end, gzipped or not', async () => {
  folder.write('cabs/new_ab.txt', '37.75 -122.39 0 1300\n37.74 -122.38 1 1200\n37.73 -122.37 1 1000\n');
  folder.write('cabs/new_cd.txt', '37.1 -122.1 0 1100\r\n37.2 -122.2 0 1200\r\n\r\n');
  folder.write('cabs/new_ef.txt.gz', gzipSync('37.5 -122.5 0 1150\n37.6 -122.6 0 900\n37.7 -122.7 0 1250\n'));
  folder.write('cabs/README', 'not a cab');
  folder.write('cabs/_cabs.txt', '<cab id="ab" updates="3"/>');

  const { fixes, report } = await readAll(`${folder.path}/cabs`);
  expect(report).toMatchObject({ format: 'cabspotting', rows: 8, bad: 0 });
  expect(fixes.map(({ user, atMs, lat }) => [user, atMs / 1000, lat])).toEqual([
    ['ef', 900, 37.6],
    ['ab', 1000, 37.73],
    ['cd', 1100, 37.1],
    ['ef', 1150, 37.5],
    ['ab', 1200, 37.74],
    ['cd', 1200, 37.2],
    ['ef', 1250, 37.7],
    ['ab', 1300, 37.75],
  ]);
});

it('reads a single cab', async () => {
  const { fixes } = await readAll(folder.write('one/new_gh.txt', '37.75134 -122.39488 0 1213084687\n'));
  expect(fixes).toEqual([{ user: 'gh', atMs: 1_213_084_687_000, lat: 37.75134, lon: -122.39488 }]);
});

it('skips bad rows, reports the line of the first, and skips a cab with bad rows only', async () => {
  folder.write('bad/new_ab.txt', '37.75 -122.39 0 1300\n37.74 -122.38 1\nx -122.37 1 1000\n');
  folder.write('bad/new_cd.txt', 'x\n');
  const { fixes, report } = await readAll(`${folder.path}/bad`);
  expect(fixes).toHaveLength(1);
  expect(report).toMatchObject({ rows: 4, bad: 3 });
  expect(report.firstBad).toMatch(`${folder.path}/bad/new_ab.txt:2: t: is missing`);
  await expect(readAll(`${folder.path}/bad`, { strict: true })).rejects.toMatchObject({ code: 'TRACE_ROW_INVALID' });
});

it('loses no row in a large merge', async () => {
  const expected: string[] = [];
  for (let cab = 0; cab < 20; cab++) {
    const rows = Array.from({ length: 1000 }, (_, i) => ({ t: (i * 7919 + cab * 31) % 100_003, lat: 37 + i / 10_000 }));
    folder.write(`large/new_c${cab}.txt`, rows.map(({ t, lat }) => `${lat} -122 0 ${t}`).join('\n'));
    expected.push(...rows.map(({ t, lat }) => `c${cab} ${t} ${lat}`));
  }
  const { fixes } = await readAll(`${folder.path}/large`);
  expect(fixes.every((fix, i) => i === 0 || fixes[i - 1]!.atMs <= fix.atMs)).toBe(true);
  expect(fixes.map((fix) => `${fix.user} ${fix.atMs / 1000} ${fix.lat}`).sort()).toEqual(expected.sort());
});
