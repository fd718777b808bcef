/** A reader reads each row of a file, or counts it as bad, or fails with an error that names the place. Any content. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSites } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { TRACE_FORMATS, type TraceFormat } from '#services/replay/traces/formats.ts';
import type { TraceReport } from '#services/replay/traces/report.ts';
import { TagalongError } from '#shared/errors.ts';
import { longOr } from '../long.ts';
import { readAll, temporaryFolder } from '../unit/services/replay/traces/folder.ts';
import { breaks, textOf, type Whole, wholeTrace } from './broken-traces.ts';
import { SEED } from './seed.ts';

const folder = temporaryFolder();
const TIMEOUT_MS = 120_000;
/** A row of a megabyte takes milliseconds. A reader that takes longer than this would hang on larger rows. */
const SLOW_MS = 5_000;

type Outcome = { fixes: Fix[]; report: TraceReport } | TagalongError;

/** Writes a trace and reads it. Any error but a TagalongError of the right form fails the test. */
async function outcomeOf(content: Uint8Array, format: TraceFormat): Promise<Outcome> {
  const path = folder.write('trace', content);
  const begunMs = performance.now();
  try {
    return await readAll(path, { format });
  } catch (error) {
    if (!(error instanceof TagalongError)) throw error;
    expect(error.code).toBe('TRACE_UNREADABLE');
    expect(error.message.startsWith(`${path}:`)).toBe(true);
    expect(error.message).not.toContain('\n');
    expect(error.message.length).toBeLessThan(1000);
    return error;
  } finally {
    expect(performance.now() - begunMs).toBeLessThan(SLOW_MS);
  }
}

function expectNothingLost({ fixes, report }: Exclude<Outcome, TagalongError>): void {
  expect(fixes.length + report.bad).toBe(report.rows);
  expect(report.firstBad === undefined).toBe(report.bad === 0);
}

test(
  'each format reads a whole trace to its last row, gzipped or not',
  async () => {
    const seen = new Set<TraceFormat>();
    await fc.assert(
      fc.asyncProperty(wholeTrace, fc.boolean(), async (whole, zipped) => {
        seen.add(whole.format);
        const text = textOf(whole);
        const outcome = await outcomeOf(zipped ? gzipSync(text) : Buffer.from(text), whole.format);
        if (outcome instanceof TagalongError) throw outcome;
        expect(outcome.report).toMatchObject({ rows: whole.rows.length, bad: 0 });
        expect(outcome.fixes.map(({ atMs, lat, lon }) => [atMs, lat, lon])).toEqual(whole.places);
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect([...seen].sort()).toEqual(TRACE_FORMATS.toSorted());
  },
  TIMEOUT_MS,
);

/** The number of rows in a file, counted by lines; undefined if this is not possible, as a quote may join lines. */
function rowsIn(content: Buffer, { byLine, head, format }: Whole): number | undefined {
  const text = content.toString();
  if (!byLine || (format === 'csv' && text.includes('"'))) return undefined;
  return text
    .slice(head.length)
    .split('\n')
    .filter((line) => line.trim() !== '').length;
}

test(
  'a broken trace loses no row silently, and no reader hangs',
  async () => {
    const outcomes = { errors: 0, skipped: 0, counted: 0 };
    await fc.assert(
      fc.asyncProperty(wholeTrace, breaks, async (whole, broken) => {
        const content = broken(whole);
        const outcome = await outcomeOf(content, whole.format);
        if (outcome instanceof TagalongError) {
          outcomes.errors++;
          return;
        }
        expectNothingLost(outcome);
        if (outcome.report.bad > 0) outcomes.skipped++;
        const rows = rowsIn(content, whole);
        if (rows === undefined) return;
        expect(outcome.report.rows + (outcome.report.others ?? 0)).toBe(rows);
        outcomes.counted++;
      }),
      { seed: SEED, numRuns: longOr(500, 1500) },
    );
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(20);
  },
  TIMEOUT_MS,
);

test(
  'LF and CRLF may end the lines of one file',
  async () => {
    await fc.assert(
      fc.asyncProperty(wholeTrace, fc.array(fc.boolean(), { minLength: 1 }), async (whole, carriages) => {
        const text = textOf(whole).replaceAll('\n', () => '\n');
        let i = 0;
        const mixed = text.replaceAll('\n', () => (carriages[i++ % carriages.length] ? '\r\n' : '\n'));
        const outcome = await outcomeOf(Buffer.from(mixed), whole.format);
        if (outcome instanceof TagalongError) throw outcome;
        expect(outcome.report).toMatchObject({ rows: whole.rows.length, bad: 0 });
      }),
      { seed: SEED, numRuns: 100 },
    );
  },
  TIMEOUT_MS,
);

test(
  'truncated XML and JSON fail',
  async () => {
    const closed = wholeTrace.filter(({ tail }) => tail !== '');
    await fc.assert(
      fc.asyncProperty(closed, fc.double({ min: 0, max: 1, noNaN: true }), async (whole, share) => {
        const bytes = Buffer.from(textOf(whole).trimEnd());
        const outcome = await outcomeOf(bytes.subarray(0, Math.floor((bytes.length - 1) * share)), whole.format);
        expect(outcome).toBeInstanceOf(TagalongError);
      }),
      { seed: SEED, numRuns: 200 },
    );
  },
  TIMEOUT_MS,
);

test(
  'a truncated gzip fails',
  async () => {
    await fc.assert(
      fc.asyncProperty(wholeTrace, fc.double({ min: 0.2, max: 0.99, noNaN: true }), async (whole, share) => {
        const zipped = gzipSync(textOf(whole));
        const outcome = await outcomeOf(zipped.subarray(0, Math.floor(zipped.length * share)), whole.format);
        expect(outcome).toBeInstanceOf(TagalongError);
      }),
      { seed: SEED, numRuns: 50 },
    );
  },
  TIMEOUT_MS,
);

test(
  'random bytes lose no row silently in any format, and are no list of sites',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.constantFrom(...TRACE_FORMATS), async (noise, format) => {
        const outcome = await outcomeOf(noise, format);
        if (!(outcome instanceof TagalongError)) expectNothingLost(outcome);
        await expect(readSites(folder.write('sites', noise))).rejects.toMatchObject({ code: 'SITES_INVALID' });
      }),
      { seed: SEED, numRuns: 200 },
    );
  },
  TIMEOUT_MS,
);
