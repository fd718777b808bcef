import { expect, it } from 'vitest';
import { openTrace } from '#services/ingest/traces/trace.ts';
import { readAll, temporaryFolder } from './folder.ts';

const folder = temporaryFolder();

it.each([
  ['an empty file', '', /found an empty file/],
  ['binary data', Uint8Array.of(1, 0, 2, 0), /found binary data/],
  ['prose', 'Once upon a time\n', /found a first line "Once upon a time"/],
])('%s is no trace: the error says what was found and what is known', async (_, content, found) => {
  const path = folder.write('unknown', content);
  await expect(openTrace(path)).rejects.toMatchObject({
    code: 'TRACE_UNREADABLE',
    message: expect.stringMatching(found),
  });
  await expect(openTrace(path)).rejects.toThrow(/^[^\n]*csv [^\n]*cabspotting [^\n]*gpx [^\n]*$/);
});

it('a folder is no trace where it holds none, or two kinds', async () => {
  folder.write('empty/notes.txt', 'x');
  folder.write('both/new_a.txt', '1 2 0 3\n');
  folder.write('both/a.gpx', '<gpx/>');
  for (const name of ['empty', 'both']) {
    await expect(openTrace(`${folder.path}/${name}`)).rejects.toMatchObject({ code: 'TRACE_UNREADABLE' });
  }
  // Saying which one is meant helps; saying what is not there does not.
  expect((await readAll(`${folder.path}/both`, { format: 'cabspotting' })).fixes).toHaveLength(1);
  await expect(openTrace(`${folder.path}/empty`, { format: 'gpx' })).rejects.toMatchObject({
    code: 'TRACE_UNREADABLE',
  });
  await expect(openTrace(`${folder.path}/both`, { format: 'csv' })).rejects.toMatchObject({ code: 'TRACE_UNREADABLE' });
});

it('a path that is not there is unreadable', async () => {
  await expect(openTrace(`${folder.path}/nothing`)).rejects.toMatchObject({ code: 'TRACE_UNREADABLE' });
});
