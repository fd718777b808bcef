import { expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
const HEADER =
  '"TRIP_ID","CALL_TYPE","ORIGIN_CALL","ORIGIN_STAND","TAXI_ID","TIMESTAMP","DAY_TYPE","MISSING_DATA","POLYLINE"\n';
const trip = (taxi: string, t: string, polyline: string) =>
  `"${t}620000011","C","","","${taxi}","${t}","A","False","${polyline}"\n`;

it('reads a point every 15 s of each trip, and merges the trips by time', async () => {
  const path = folder.write(
    'train.csv',
    HEADER +
      trip('20000011', '1370000058', '[[-8.601,41.151],[-8.602,41.152],[-8.603,41.153]]') +
      trip('20000012', '1370000060', '[[-8.6,41.1],[-8.61,41.11]]') +
      trip('20000001', '1370000000', '[[-8.5,41]]') +
      trip('20000002', '1370000000', '[]'),
  );
  const { fixes, report } = await readAll(path, { strict: true });
  expect(report).toMatchObject({ format: 'porto', rows: 6, bad: 0, others: 1 });
  expect(fixes.map(({ user, atMs, lat, lon }) => [user, atMs / 1000, lat, lon])).toEqual([
    ['20000001', 1_370_000_000, 41, -8.5],
    ['20000011', 1_370_000_058, 41.151, -8.601],
    ['20000012', 1_370_000_060, 41.1, -8.6],
    ['20000011', 1_370_000_073, 41.152, -8.602],
    ['20000012', 1_370_000_075, 41.11, -8.61],
    ['20000011', 1_370_000_088, 41.153, -8.603],
  ]);
});

it('counts a trip without a list of points as one bad row, and each bad point as one', async () => {
  const path = folder.write(
    'bad.csv',
    HEADER +
      trip('1', '1370000058', '[[-8.6,41.1],') +
      trip('1', '1370000058', '7') +
      trip('1', '1370000058', '[[-8.6,41.1],[-8.6],7,null,[-8.6,41.2]]') +
      trip('1', 'then', '[[-8.6,41.1]]'),
  );
  const { fixes, report } = await readAll(path);
  expect(report).toMatchObject({ rows: 8, bad: 6, firstBad: expect.stringMatching(`^${path}:2: POLYLINE: `) });
  // Points after a bad one keep their time.
  expect(fixes.map(({ atMs }) => atMs / 1000)).toEqual([1_370_000_058, 1_370_000_118]);
});

it('refuses a file without a necessary column', async () => {
  const path = folder.write('short.csv', 'TRIP_ID,TIMESTAMP,POLYLINE\n1,2,3\n');
  await expect(readAll(path)).rejects.toMatchObject({
    code: 'TRACE_UNREADABLE',
    message: expect.stringContaining('"TAXI_ID"'),
  });
});
