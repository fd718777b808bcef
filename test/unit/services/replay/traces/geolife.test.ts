import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
const HEADER = 'Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255,My Track,0,0,2,8421376\n0\n';
const row = (lat: number, time: string) => `${lat},116.3,0,492,39947.3,2009-05-14,${time}\n`;

it("merges the users' trajectories by time; the folder names the user, and times are GMT", async () => {
  folder.write('data/Data/000/Trajectory/20090514071004.plt', HEADER + row(39.1, '07:10:04') + row(39.2, '07:10:10'));
  folder.write('data/Data/000/labels.txt', 'Start Time\tEnd Time\tTransportation Mode\n');
  folder.write('data/Data/001/Trajectory/20090514071006.plt.gz', gzipSync(HEADER + row(40, '07:10:06')));
  const { fixes, report } = await readAll(`${folder.path}/data`, { strict: true });
  expect(report).toMatchObject({ format: 'geolife', rows: 3, bad: 0 });
  expect(fixes.map(({ user, atMs, lat }) => [user, atMs, lat])).toEqual([
    ['000', Date.UTC(2009, 4, 14, 7, 10, 4), 39.1],
    ['001', Date.UTC(2009, 4, 14, 7, 10, 6), 40],
    ['000', Date.UTC(2009, 4, 14, 7, 10, 10), 39.2],
  ]);
});

it('reads one trajectory; its user is the folder of Geolife, or the file', async () => {
  const own = folder.write('one/walk.plt', (HEADER + row(39.1, '07:10:04')).replaceAll('\n', '\r\n'));
  expect((await readAll(own)).fixes).toMatchObject([{ user: 'walk', lat: 39.1, lon: 116.3 }]);
  const within = folder.write('two/017/Trajectory/walk.plt', HEADER + row(39.1, '07:10:04'));
  expect((await readAll(within)).fixes).toMatchObject([{ user: '017' }]);
});

it('skips bad rows, and loses no row without a header', async () => {
  const path = folder.write('bad/a.plt', `${HEADER}39.1,116.3,0,492\n${row(39.1, 'noon')}${row(39.1, '07:10:04')}`);
  const { report } = await readAll(path);
  expect(report).toMatchObject({ rows: 3, bad: 2 });
  expect(report.firstBad).toMatch(`${path}:7: t: is missing`);
  const headless = await readAll(folder.write('bad/b.plt', row(39.1, '07:10:04')), { format: 'geolife' });
  expect(headless.report).toMatchObject({ rows: 1, bad: 0 });
});
