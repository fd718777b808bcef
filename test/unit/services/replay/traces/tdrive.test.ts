import { expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();

it('merges the taxis of a folder by time, with longitude first and times of Beijing', async () => {
  folder.write('taxis/1.txt', '1,2008-02-03 12:30:08,116.41,39.91\r\n1,2008-02-03 12:40:08,116.42,39.92\r\n');
  folder.write('taxis/2.txt', '2,2008-02-03 12:35:00,116.4,39.9\n');
  folder.write('taxis/3.txt', '');
  const { fixes, report } = await readAll(`${folder.path}/taxis`, { strict: true });
  expect(report).toMatchObject({ format: 'tdrive', rows: 3, bad: 0 });
  expect(fixes).toEqual([
    { user: '1', atMs: Date.UTC(2008, 1, 3, 4, 30, 8), lat: 39.91, lon: 116.41 },
    { user: '2', atMs: Date.UTC(2008, 1, 3, 4, 35), lat: 39.9, lon: 116.4 },
    { user: '1', atMs: Date.UTC(2008, 1, 3, 4, 40, 8), lat: 39.92, lon: 116.42 },
  ]);
});

it('reads one taxi, and is not detected as CSV', async () => {
  const { report } = await readAll(folder.write('77.txt', '77, 2008-02-03 13:30:00,116.31,39.95 \n'));
  expect(report).toMatchObject({ format: 'tdrive', rows: 1, bad: 0 });
});

it.each([
  ['1,2008-02-03 12:30:08,116.5', 'lat'],
  ['1,,116.5,39.9', 't'],
  ['1,yesterday,116.5,39.9', 't'],
  ['nothing of it', 't'],
])('%s is skipped, counted and described by its field, %s', async (row, field) => {
  const path = folder.write('1.txt', `1,2008-02-03 12:30:08,116.5,39.9\n${row}\n`);
  const { report } = await readAll(path);
  expect(report).toMatchObject({ rows: 2, bad: 1, firstBad: expect.stringMatching(`^${path}:2: ${field}: `) });
});
