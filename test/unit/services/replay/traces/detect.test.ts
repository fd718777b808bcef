import { expect, it } from 'vitest';
import { detectFormat } from '#services/replay/traces/detect.ts';
import { TRACE_FORMATS } from '#services/replay/traces/formats.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();

it.each([
  ['an empty file', '', /found an empty file/],
  ['binary data', Uint8Array.of(1, 0, 2, 0), /found binary data/],
  ['JSON of another kind', '{"name": "ann"}', /found JSON "{/],
  ['XML of another kind', '<?xml version="1.0"?>\n<!-- <gpx> -->\n<k:kml/>', /found XML with the root <kml>/],
  ['prose', 'Once upon a time\n', /found a first line "Once upon a time"/],
])('%s is no trace: the error names its content and all known formats', async (_, content, found) => {
  const path = folder.write('unknown', content);
  await expect(openTrace(path)).rejects.toMatchObject({
    code: 'TRACE_UNREADABLE',
    message: expect.stringMatching(found),
  });
  const failure = await openTrace(path).catch((error: Error) => error.message);
  expect(TRACE_FORMATS.filter((format) => !new RegExp(`; give .*\\b${format}\\b`).test(String(failure)))).toEqual([]);
});

it('a folder without a trace, or with two formats, is no trace', async () => {
  folder.write('empty/notes.txt', 'x');
  folder.write('both/new_a.txt', '1 2 0 3\n');
  folder.write('both/a.gpx', '<gpx/>');
  for (const name of ['empty', 'both']) {
    await expect(openTrace(`${folder.path}/${name}`)).rejects.toMatchObject({ code: 'TRACE_UNREADABLE' });
  }
  // --format selects one of two formats, and does not create a missing one.
  expect((await readAll(`${folder.path}/both`, { format: 'cabspotting' })).fixes).toHaveLength(1);
  await expect(openTrace(`${folder.path}/empty`, { format: 'gpx' })).rejects.toMatchObject({
    code: 'TRACE_UNREADABLE',
  });
  await expect(openTrace(`${folder.path}/both`, { format: 'csv' })).rejects.toMatchObject({ code: 'TRACE_UNREADABLE' });
});

it.each([
  ['cabspotting', '37.75 -122.39 0 1300\n'],
  ['csv', 'time,user,t,lat,lon\n'],
  ['events', '{"specversion":"1.0","type":"site.reported.v1"}\n'],
  ['events', '{\n"type":"site.reported.v1","specversion" : "1.0"'],
  ['geojson', '{"name":"x","features" : [{"_type":1}'],
  ['geojson', '\n{"type": "FeatureCollection"'],
  ['geolife', 'Geolife trajectory\r\nWGS 84\r\n'],
  ['gpx', '<?xml version="1.0"?>\n<!-- <fcd-export> --><g:gpx>'],
  ['owntracks', '[{"_type":"location"'],
  ['owntracks', '{"tst":7,"_type":"lwt"}\n'],
  ['porto', '"TRIP_ID","TAXI_ID","TIMESTAMP","POLYLINE"\r\n'],
  ['rome', '21;2014-02-01 00:00:00.250999+01;POINT(41.88 12.48)\n'],
  ['sumo-fcd', '<?xml version="1.0"?>\n\n<!-- <a/>\n <b/> -->\n<fcd-export xmlns:xsi="x">'],
  ['tdrive', '1,2008-02-03 12:30:08,116.41,39.91\r\n'],
])('%s is detected by %j', async (format, text) => {
  expect(await detectFormat(folder.write('some', text))).toBe(format);
});

it('a missing file is unreadable', async () => {
  await expect(openTrace(`${folder.path}/nothing`)).rejects.toMatchObject({ code: 'TRACE_UNREADABLE' });
});
