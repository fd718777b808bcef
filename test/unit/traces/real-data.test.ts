/** The readers on recorded traces, which are not part of the repository. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readSites } from '#services/ingest/sites.ts';
import { openTrace } from '#services/ingest/traces/trace.ts';
import { readAll, temporaryFolder } from './folder.ts';

const data = '../shared/data/sf-cabspotting';
const folder = temporaryFolder();

/** A test that says what is missing where it cannot run. */
function testWith(needs: string, name: string, run: (path: string) => Promise<void>) {
  const path = `${data}/${needs}`;
  const there = existsSync(path);
  test.skipIf(!there)(there ? name : `${name} [skipped: ${path} is missing]`, () => run(path));
}

describe('San Francisco taxis', () => {
  testWith('cabs-demo-25.csv', 'the evening of 25 cabs has 6,920 fixes', async (path) => {
    const { fixes, report } = await readAll(path, { strict: true });
    expect(report).toMatchObject({ format: 'csv', rows: 6_920, bad: 0 });
    expect(new Set(fixes.map((fix) => fix.user)).size).toBe(25);
    expect([fixes[0]!.atMs, fixes.at(-1)!.atMs]).toEqual([1_211_418_001_000, 1_211_432_399_000]);
  });

  testWith('cabs-2008-05-21.csv.gz', 'a weekday of 499 cabs has 456,453 fixes', async (path) => {
    const trace = await openTrace(path, { strict: true });
    const users = new Set<string>();
    let fixes = 0;
    for await (const batch of trace.batches()) {
      fixes += batch.length;
      for (const fix of batch) users.add(fix.user);
    }
    expect([fixes, users.size, trace.report.rows, trace.report.bad]).toEqual([456_453, 499, 456_453, 0]);
  });

  testWith('raw-format-sample-3cabs.tar.xz', 'the raw files of three cabs are merged by time', async (path) => {
    execFileSync('tar', ['-xJf', path, '-C', folder.path]);
    const { fixes, report } = await readAll(folder.path, { strict: true });
    expect(report).toMatchObject({ format: 'cabspotting', rows: 26_094, bad: 0 });
    expect(new Set(fixes.map((fix) => fix.user))).toEqual(new Set(['abboip', 'egoiwroi', 'enyenewl']));
    expect(fixes.every((fix, i) => i === 0 || fixes[i - 1]!.atMs <= fix.atMs)).toBe(true);
  });

  testWith('sites-demo-24.csv', 'the list of 24 base stations is read', async (path) => {
    expect(await readSites(path)).toHaveLength(24);
  });
});
