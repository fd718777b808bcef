import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
const feature = (type: string, coordinates: unknown, properties: object, id?: string) => ({
  type: 'Feature',
  ...(id && { id }),
  geometry: { type, coordinates },
  properties,
});
const collection = (...features: unknown[]) => JSON.stringify({ type: 'FeatureCollection', features }, null, 1);

describe('a GeoJSON trace', () => {
  it('has a row for each point of a line with times, and for each single point with a time', async () => {
    const text = collection(
      feature(
        'LineString',
        [
          [2, 1],
          [4, 3, 200],
        ],
        { name: 'ann', coordTimes: ['2026-03-02T11:00:01Z', '2026-03-02T11:00:05Z'] },
      ),
      feature('MultiLineString', [[[6, 5]], [[8, 7]]], { user: 'bob', times: [[1_772_449_200], [1_772_449_203]] }),
      feature('Point', [10, 9], { time: '2026-03-02T11:00:02Z' }, 'cat'),
      feature('Point', [12, 11], { timestamp: 1_772_449_204.5 }),
      feature('Polygon', [[[0, 0]]], { name: 'a zone' }),
    );
    const { fixes, report } = await readAll(folder.write('walk.json.gz', gzipSync(text)), { strict: true });
    expect(report).toMatchObject({ format: 'geojson', rows: 6, bad: 0, others: 1 });
    expect(fixes.map(({ user, atMs, lat, lon }) => [user, atMs - Date.UTC(2026, 2, 2, 11), lat, lon])).toEqual([
      ['bob', 0, 5, 6],
      ['ann', 1000, 1, 2],
      ['cat', 2000, 9, 10],
      ['bob', 3000, 7, 8],
      ['walk', 4500, 11, 12],
      ['ann', 5000, 3, 4],
    ]);
  });

  it('counts a point without a time, and a time without a point', async () => {
    const path = folder.write(
      'holes.geojson',
      collection(
        feature(
          'LineString',
          [
            [2, 1],
            [4, 3],
          ],
          { times: [1_772_449_200] },
        ),
        feature('LineString', [[2, 1]], { times: [1_772_449_200, 1_772_449_201] }),
        feature('LineString', null, {}),
        feature('Point', 'here', { t: 1_772_449_200 }),
      ),
    );
    const { fixes, report } = await readAll(path);
    expect(fixes).toHaveLength(2);
    expect(report).toMatchObject({
      rows: 6,
      bad: 4,
      firstBad: expect.stringMatching(/holes\.geojson:\d+: t: is missing/),
    });
  });

  it('reads files far larger than its buffer', async () => {
    const features = Array.from({ length: 50_000 }, (_, i) =>
      feature('Point', [i % 180, 1], { t: i, user: `u${i % 5}` }),
    );
    const { fixes, report } = await readAll(folder.write('large.geojson', JSON.stringify({ features })));
    expect(report).toMatchObject({ rows: 50_000, bad: 0 });
    expect(fixes.map(({ atMs, lon }) => [atMs, lon])).toEqual(features.map((_, i) => [i * 1000, i % 180]));
  });

  it.each([
    ['has no features', '{"type":"FeatureCollection","features":[]}', /:1: /],
    ['is cut off', '{"type":"FeatureCollection",\n"features":[{"type":"Feature"', /:2: /],
    ['is no JSON', '{"type":"FeatureCollection",\n"features":[x', /:2: /],
    ['nests without end', `{"features":[${'['.repeat(200)}`, /:1: .*\b100\b/],
    ['has a value that never ends', `{"features":["${'x'.repeat(17 * 1024 * 1024)}`, /:1: .*\b16777216\b/],
  ])('is refused if it %s', async (_, text, message) => {
    await expect(readAll(folder.write('none.geojson', text), { format: 'geojson' })).rejects.toMatchObject({
      code: 'TRACE_UNREADABLE',
      message: expect.stringMatching(message),
    });
  });
});
