import { describe, expect, it } from 'vitest';
import { DEFAULT_SITE, readSites } from '#services/replay/site-lists.ts';
import { temporaryFolder } from './traces/folder.ts';

const folder = temporaryFolder();

describe('a site list', () => {
  it('is read by its header, with defaults for missing columns', async () => {
    const path = folder.write(
      'sites.csv',
      '\uFEFFlon,cells,site,lat\r\n-122.4,3,"enb-1",37.7\r\n\r\n11.5,4,bus stop#2,48.1\r\n',
    );
    expect(await readSites(path)).toEqual([
      { site: 'enb-1', lat: 37.7, lon: -122.4, ...DEFAULT_SITE },
      { site: 'bus-stop-2', lat: 48.1, lon: 11.5, ...DEFAULT_SITE },
    ]);
  });

  it('may give slots to some sites', async () => {
    const sites = await readSites(folder.write('slots.csv', 'site,lat,lon,slots\na,1,2,60\nb,1,2,\nc,1,2,0\n'));
    expect(sites.map((site) => site.slots)).toEqual([60, DEFAULT_SITE.slots, 0]);
  });

  it.each([
    ['a second site of the same name', 'site,lat,lon\na,1,2\n\nb,1,2\na,3,4\n', 5, 'site'],
    ['a name that becomes an existing one', 'site,lat,lon\na-1,1,2\na#1,1,2\n', 3, 'site'],
    ['no name', 'site,lat,lon\n,1,2\n', 2, 'site'],
    ['text instead of a number', 'site,lat,lon\na,north,2\n', 2, 'lat'],
    ['a missing field', 'site,lat,lon\na,1\n', 2, 'lon'],
    ['a latitude beyond the pole', 'site,lat,lon\na,90.1,2\n', 2, 'lat'],
    ['a longitude beyond the date line', 'site,lat,lon\na,1,-181\n', 2, 'lon'],
    ['half a slot', 'site,lat,lon,slots\na,1,2,0.5\n', 2, 'slots'],
    ['a negative number of slots', 'site,lat,lon,slots\na,1,2,-1\n', 2, 'slots'],
  ])('with %s is refused; the error names line and field', async (_, text, line, field) => {
    const path = folder.write('wrong.csv', text);
    await expect(readSites(path)).rejects.toMatchObject({
      code: 'SITES_INVALID',
      message: expect.stringMatching(`^${path}:${line}: ${field}: `),
    });
  });

  it.each([
    ['no column', 'name,lat,lon\na,1,2\n', /:1: .*"site"/],
    ['no sites', 'site,lat,lon\n', /no site/],
    ['nothing', '', /:1: .*column/],
    ['a quote that never ends', 'site,lat,lon\n"a,1,2\n', /:2: a quote is opened/],
  ])('with %s is refused', async (_, text, message) => {
    await expect(readSites(folder.write('none.csv', text))).rejects.toMatchObject({
      code: 'SITES_INVALID',
      message: expect.stringMatching(message),
    });
  });

  describe('in GeoJSON', () => {
    const point = (coordinates: unknown, properties: object | null, id?: string) => ({
      type: 'Feature',
      id,
      geometry: { type: 'Point', coordinates },
      properties,
    });
    const write = (...features: object[]) =>
      folder.write('sites.geojson', JSON.stringify({ type: 'FeatureCollection', features }, null, 1));

    it('is read by names or ids, longitude first', async () => {
      const path = write(
        point([-122.4, 37.7, 12], { site: 'enb-1', slots: 3 }),
        point([11.5, 48.1], { name: 'bus stop#2' }),
        point([11.6, 48.1], null, 'enb-3'),
      );
      expect(await readSites(path)).toEqual([
        { site: 'enb-1', lat: 37.7, lon: -122.4, ...DEFAULT_SITE, slots: 3 },
        { site: 'bus-stop-2', lat: 48.1, lon: 11.5, ...DEFAULT_SITE },
        { site: 'enb-3', lat: 48.1, lon: 11.6, ...DEFAULT_SITE },
      ]);
    });

    it.each([
      ['no name', point([1, 2], {}), /: site: is missing/],
      ['coordinates the wrong way round', point([37.7, -122.4], { site: 'a' }), /: lat: "-122.4"/],
      ['no coordinates', point(null, { site: 'a' }), /: lat: is missing/],
      ['another geometry', { type: 'Feature', geometry: { type: 'Polygon', coordinates: [] } }, /: geometry: /],
    ])('with %s is refused; the error names the line', async (_, feature, message) => {
      await expect(readSites(write(feature))).rejects.toMatchObject({
        code: 'SITES_INVALID',
        message: expect.stringMatching(new RegExp(`geojson:\\d+${message.source}`)),
      });
    });

    it('with no features, or cut off, is refused', async () => {
      for (const text of ['{"features":[]}', '{"features":[{"type":']) {
        await expect(readSites(folder.write('none.geojson', text))).rejects.toMatchObject({ code: 'SITES_INVALID' });
      }
    });
  });

  it('that does not exist is refused', async () => {
    await expect(readSites(`${folder.path}/nothing.csv`)).rejects.toMatchObject({ code: 'SITES_INVALID' });
  });
});
