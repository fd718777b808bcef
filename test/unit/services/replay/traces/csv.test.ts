import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
const ANN = { user: 'ann', atMs: 1_700_000_000_000, lat: 48.1, lon: 11.5 };

describe('a CSV trace', () => {
  it('is read by the names in its header, in any order, without the other columns', async () => {
    const path = folder.write('order.csv', 'speed,lon,user,lat,t\n3,11.5,ann,48.1,1700000000\n');
    const { fixes, report } = await readAll(path);
    expect(fixes).toEqual([ANN]);
    expect(report).toMatchObject({ format: 'csv', rows: 1, bad: 0 });
  });

  it('may have CRLF, a byte order mark, empty lines and no line end at the end', async () => {
    const text = '\uFEFFuser,t,lat,lon\r\n\r\nann,1700000000,48.1,11.5\r\n \r\nann,1700000000,48.1,11.5';
    const { fixes, report } = await readAll(folder.write('crlf.csv', text));
    expect(fixes).toEqual([ANN, ANN]);
    expect(report).toMatchObject({ rows: 2, bad: 0 });
  });

  it('is unzipped if it is gzipped, with any file name', async () => {
    const path = folder.write('zipped', gzipSync('user,t,lat,lon\nann,1700000000,48.1,11.5\n'));
    expect((await readAll(path)).fixes).toEqual([ANN]);
  });

  it('keeps the order of the file, and implausible positions', async () => {
    const rows = ['ann,1700000000,48.1,11.5', 'ann,1600000000,0,0', 'ann,1700000001,95,-200'];
    const { fixes, report } = await readAll(folder.write('odd.csv', `user,t,lat,lon\n${rows.join('\n')}\n`));
    expect(fixes.map(({ atMs, lat, lon }) => [atMs, lat, lon])).toEqual([
      [1_700_000_000_000, 48.1, 11.5],
      [1_600_000_000_000, 0, 0],
      [1_700_000_001_000, 95, -200],
    ]);
    expect(report.bad).toBe(0);
  });

  it('loses no row between batches, and can be read again', async () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => `u${i % 7},${1_700_000_000 + i}.5,1.${i},2`);
    const trace = await openTrace(folder.write('long.csv', ['user,t,lat,lon', ...rows].join('\n')));
    for (let time = 1; time <= 2; time++) {
      const batches: (readonly Fix[])[] = [];
      for await (const batch of trace.batches()) batches.push(batch);
      expect(batches.length).toBeGreaterThan(3);
      expect(batches.flat().map((fix) => `${fix.user},${fix.atMs / 1000},${fix.lat}`)).toEqual(
        rows.map((row, i) => `u${i % 7},${1_700_000_000 + i}.5,${Number(row.split(',')[2])}`),
      );
      expect(trace.report).toMatchObject({ rows: 30_000, bad: 0 });
    }
  });

  test('may quote any field, also over several lines, and its lines are counted', async () => {
    const plain = Array.from({ length: 9_000 }, (_, i) => `ann,${i},1,2,x`);
    const quoted = [
      '"ann",9000,1,2,"a, ""b"" c"',
      'ann,9001,1,2,"two',
      'lines"',
      'ann,oops,1,2,x',
      'ann,9002,1,2,5" wide',
    ];
    const path = folder.write('quotes.csv', ['user,t,lat,lon,note', ...plain, ...quoted].join('\r\n'));
    const { fixes, report } = await readAll(path);
    expect(fixes.map((fix) => fix.atMs / 1000)).toEqual(Array.from({ length: 9_003 }, (_, i) => i));
    expect(report).toMatchObject({ rows: 9_004, bad: 1 });
    expect(report.firstBad).toMatch(`${path}:${1 + 9_000 + 4}: t: "oops"`);
  });

  it('may have its header in quotes', async () => {
    const path = folder.write('header.csv', '"user","t","lat","lon"\n"ann",1700000000,48.1,11.5\n');
    expect((await readAll(path)).fixes).toEqual([ANN]);
  });
});

describe('columns of other names', () => {
  const text = 'ts,cab_id,latitude,longitude,t\n1700000000,ann,48.1,11.5,7\n';

  it('are read by their given names; the others keep the standard names', async () => {
    const path = folder.write('named.csv', text);
    const names = { user: 'cab_id', t: 'ts', lat: 'latitude', lon: 'longitude' };
    expect((await readAll(path, { columns: names })).fixes).toEqual([ANN]);
    const { t: _, ...others } = names;
    expect((await readAll(path, { columns: others })).fixes).toEqual([{ ...ANN, atMs: 7000 }]);
  });

  it('are refused if the file does not have them', async () => {
    await expect(readAll(folder.write('named.csv', text), { columns: { user: 'taxi' } })).rejects.toMatchObject({
      code: 'TRACE_UNREADABLE',
      message: expect.stringMatching(/named\.csv:1: .*"taxi".* taxi,t,lat,lon$/),
    });
  });

  it('are refused for other formats', async () => {
    const path = folder.write('named.csv', text);
    await expect(openTrace(path, { columns: { user: 'a' }, format: 'gpx' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('the time of a row', () => {
  it.each([
    ['0', 0],
    ['2.1', 2100],
    ['1700000000.1234', 1_700_000_000_123],
    ['2026-03-02T06:00:00-05:00', Date.UTC(2026, 2, 2, 11)],
    ['2026-03-02T11:00:00.250Z', Date.UTC(2026, 2, 2, 11, 0, 0, 250)],
    ['2026-03-02T12:30+0130', Date.UTC(2026, 2, 2, 11)],
    ['2026-03-02 11:00:00', Date.UTC(2026, 2, 2, 11)], // no zone: UTC
  ])('%s is read', async (t, atMs) => {
    const { fixes } = await readAll(folder.write('time.csv', `user,t,lat,lon\nann,${t},1,2\n`));
    expect(fixes.map((fix) => fix.atMs)).toEqual([atMs]);
  });

  it.each(['', '-1', 'noon', '0x10', '2026-13-02T00:00:00Z', '2026-03-02', '02/03/2026 11:00', '1700000000000'])(
    '"%s" is not a time (the last one is milliseconds)',
    async (t) => {
      const { fixes, report } = await readAll(folder.write('time.csv', `user,t,lat,lon\nann,${t},1,2\n`));
      expect(fixes).toEqual([]);
      expect(report.firstBad).toMatch(/time\.csv:2: t: /);
    },
  );
});

describe('bad rows', () => {
  const bad: [row: string, field: string][] = [
    ['ann,1,2', 'lon'],
    ['ann,1', 'lat'],
    ['ann', 't'],
    [',1,2,3', 'user'],
    ['  ,1,2,3', 'user'],
    ['ann,1,north,3', 'lat'],
    ['ann,1,,3', 'lat'],
    ['ann,1,NaN,3', 'lat'],
    ['ann,1,2,Infinity', 'lon'],
    ['ann,1,2,1e999', 'lon'],
    ['ann,1,2,0x1f', 'lon'],
    [`${'x'.repeat(1001)},1,2,3`, 'user'],
    // An ambiguous regular expression would take hours.
    [`ann,1,2,${'1'.repeat(900_000)}x`, 'lon'],
  ];

  it.each(bad)('%s is skipped, counted and described by its field, %s', async (row, field) => {
    const path = folder.write('bad.csv', `user,t,lat,lon\nbob,1,2,3\n${row}\nbob,2,2,3\nann,x,y,z\n`);
    const { fixes, report } = await readAll(path);
    expect(fixes).toHaveLength(2);
    expect(report).toMatchObject({ rows: 4, bad: 2 });
    expect(report.firstBad?.startsWith(`${path}:3: ${field}: `)).toBe(true);
    expect(report.firstBad).not.toContain('\n');
  });

  it.each(bad)('%s ends a strict trace', async (row, field) => {
    const path = folder.write('bad.csv', `user,t,lat,lon\nbob,1,2,3\n${row}\n`);
    await expect(readAll(path, { strict: true })).rejects.toMatchObject({
      code: 'TRACE_ROW_INVALID',
      message: expect.stringMatching(`^${path}:3: ${field}: `),
    });
  });
});

describe('an invalid CSV file', () => {
  it.each(['user', 't', 'lat', 'lon'])('without the column %s is refused when it is opened', async (column) => {
    const header = ['user', 't', 'lat', 'lon', 'speed'].filter((name) => name !== column).join(',');
    const path = folder.write('short.csv', `${header}\n1,2,3,4\n`);
    await expect(openTrace(path)).rejects.toMatchObject({
      code: 'TRACE_UNREADABLE',
      message: expect.stringMatching(`^${path}:1: .*"${column}"`),
    });
  });

  it('with a quote that never ends is refused; the error names the line', async () => {
    const path = folder.write('open.csv', 'user,t,lat,lon\nann,1,2,3\n"ann,1,2,3\nann,1,2,3\n');
    await expect(readAll(path)).rejects.toMatchObject({
      code: 'TRACE_UNREADABLE',
      message: expect.stringContaining(`${path}:3: `),
    });
  });

  it('with a truncated gzip is refused', async () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => `u${(i * 7919) % 4999},${i},1,2`);
    const zipped = gzipSync(`user,t,lat,lon\n${rows.join('\n')}\n`);
    const path = folder.write('cut.csv.gz', zipped.subarray(0, zipped.length / 2));
    await expect(readAll(path)).rejects.toMatchObject({ code: 'TRACE_UNREADABLE' });
  });

  it('with a line that never ends is refused before it fills the memory', async () => {
    const path = folder.write('endless.csv', `user,t,lat,lon\n${'ann,'.repeat(1_000_000)}`);
    await expect(readAll(path)).rejects.toMatchObject({
      code: 'TRACE_UNREADABLE',
      message: expect.stringContaining(`${path}:2: `),
    });
  });
});

const linux = process.platform === 'linux';
test.skipIf(!linux)(`a reader that stops early closes the file${linux ? '' : ' [skipped: no /proc]'}`, async () => {
  // The rows compress badly, so that the first pieces do not reach the end of the file.
  const noise = (i: number) => createHash('sha256').update(String(i)).digest('hex');
  const rows = Array.from({ length: 20_000 }, (_, i) => `ann,${i},1,2,${noise(i)}`).join('\n');
  const plain = folder.write('early.csv', `user,t,lat,lon\n${rows}`);
  const zipped = folder.write('early.csv.gz', gzipSync(`user,t,lat,lon\n${rows}`));
  const quoted = folder.write('early-quoted.csv', `user,t,"lat",lon\n${rows}`);
  const isOpen = (path: string) => readdirSync('/proc/self/fd').some((fd) => targetOf(fd) === path);

  for (const path of [plain, zipped, quoted]) {
    for await (const _ of (await openTrace(path)).batches()) {
      expect(isOpen(path)).toBe(true);
      break;
    }
    // The file closes after a few turns of the event loop.
    for (let turn = 0; turn < 1000 && isOpen(path); turn++) await new Promise(setImmediate);
    expect(isOpen(path), path).toBe(false);
  }
});

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // closed since the folder was listed
  }
}
