import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();

const point = (lat: number, lon: number, time: string, more = '') =>
  `<trkpt lat="${lat}" lon="${lon}"><ele>3</ele><time>${time}</time>${more}</trkpt>\n`;
const gpx = (content: string) =>
  `<?xml version="1.0"?>\n<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">\n${content}</gpx>\n`;
const at = (second: number) => `2026-03-02T11:00:${String(second).padStart(2, '0')}Z`;
const START_MS = Date.UTC(2026, 2, 2, 11);

describe('a GPX trace', () => {
  it('takes the name of a track for its user, and merges the tracks by time', async () => {
    const ann = `<trk><name>ann</name><trkseg>${point(1, 2, at(1))}${point(3, 4, at(5))}</trkseg></trk>`;
    const bob = `<trk><name><![CDATA[Bob & co]]></name><trkseg>${point(5, 6, at(0))}</trkseg><trkseg>${point(7, 8, at(3))}</trkseg></trk>`;
    const { fixes, report } = await readAll(folder.write('two.gpx', gpx(ann + bob)));
    expect(report).toMatchObject({ format: 'gpx', rows: 4, bad: 0 });
    expect(fixes).toEqual([
      { user: 'Bob---co', atMs: START_MS, lat: 5, lon: 6 },
      { user: 'ann', atMs: START_MS + 1000, lat: 1, lon: 2 },
      { user: 'Bob---co', atMs: START_MS + 3000, lat: 7, lon: 8 },
      { user: 'ann', atMs: START_MS + 5000, lat: 3, lon: 4 },
    ]);
  });

  it('takes the file name for a track without a name, and merges the files of a folder', async () => {
    folder.write('walks/monday.gpx', gpx(`<trk><trkseg>${point(1, 2, at(1))}</trkseg></trk>`));
    const zipped = gzipSync(gpx(`<trk><name> </name><trkseg>${point(1, 2, at(0))}</trkseg></trk>`));
    folder.write('walks/tuesday.gpx.gz', zipped);
    const { fixes } = await readAll(`${folder.path}/walks`);
    expect(fixes.map((fix) => fix.user)).toEqual(['tuesday', 'monday']);
  });

  it('accepts elements with a prefix, and ignores extensions, waypoints and routes', async () => {
    const path = folder.write(
      'prefixed.gpx',
      `<g:gpx version="1.1" xmlns:g="http://www.topografix.com/GPX/1/1">
        <g:metadata><g:name>not a user</g:name><g:time>2001-01-01T00:00:00Z</g:time></g:metadata>
        <g:wpt lat="9" lon="9"><g:time>${at(0)}</g:time><g:name>not a user</g:name></g:wpt>
        <g:rte><g:rtept lat="9" lon="9"><g:time>${at(0)}</g:time></g:rtept></g:rte>
        <g:trk><g:name>ann</g:name><g:trkseg>
          <g:trkpt lat="1" lon="2"><g:time>${at(1)}</g:time><g:name>no user either</g:name>
            <g:extensions><x:time>2001-01-01T00:00:00Z</x:time></g:extensions></g:trkpt>
        </g:trkseg></g:trk>
      </g:gpx>`,
    );
    expect((await readAll(path)).fixes).toEqual([{ user: 'ann', atMs: START_MS + 1000, lat: 1, lon: 2 }]);
  });

  it('skips points without a position or a time, and reports the line of the first', async () => {
    const points = `${point(1, 2, at(1))}<trkpt lat="1" lon="2"></trkpt>\n<trkpt lon="2"><time>${at(2)}</time></trkpt>\n`;
    const path = folder.write('holes.gpx', gpx(`<trk><name>ann</name><trkseg>\n${points}</trkseg></trk>`));
    const { fixes, report } = await readAll(path);
    expect(fixes).toHaveLength(1);
    expect(report).toMatchObject({ rows: 3, bad: 2 });
    expect(report.firstBad).toMatch(`${path}:5: t: is missing`);
    await expect(readAll(path, { strict: true })).rejects.toMatchObject({ code: 'TRACE_ROW_INVALID' });
  });

  it.each([
    ['not well-formed', '<gpx><trk></gpx>'],
    ['cut off', '<gpx><trk><trkseg>'],
    ['empty', ' '],
    ['nested without end', `<gpx>${'<x>'.repeat(1000)}`],
    ['another kind of XML', '<?xml version="1.0"?><kml></kml>'],
  ])('is refused if it is %s', async (_, text) => {
    const path = folder.write('broken.gpx', text);
    await expect(readAll(path, { format: 'gpx' })).rejects.toMatchObject({
      code: 'TRACE_UNREADABLE',
      message: expect.stringMatching(/^.*broken\.gpx:1: /),
    });
  });
});
