import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDecisions, openOutput } from '#deploy/cli/output/output.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-output-'));
});
afterEach(() => rm(folder, { recursive: true }));

const permissions = async (path: string) => (await stat(path)).mode & 0o777;

test('only its owner may read a file of results: it may hold the movements of people', async () => {
  const report = join(folder, 'report.html');
  await (await openOutput('--report', report)).close();
  expect(await permissions(report)).toBe(0o600);

  const decisions = join(folder, 'decisions.ndjson');
  await (await openDecisions(decisions)).close();
  expect(await permissions(decisions)).toBe(0o600);
});

test('a file that everybody could read before is closed to others before anything is written', async () => {
  const path = join(folder, 'report.html');
  await writeFile(path, 'old', { mode: 0o644 });
  const file = await openOutput('--report', path);
  expect(await permissions(path)).toBe(0o600);
  expect(await readFile(path, 'utf8')).toBe('');
  await file.close();
});

test('a device keeps its permissions', async () => {
  const before = await permissions('/dev/null');
  await (await openOutput('--report', '/dev/null')).close();
  expect(await permissions('/dev/null')).toBe(before);
});

test('a file that cannot be written is an error of the command line', async () => {
  await expect(openOutput('--report', join(folder, 'missing', 'x'))).rejects.toMatchObject({ code: 'USAGE' });
});
