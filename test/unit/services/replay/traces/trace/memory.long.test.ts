/** A trace may be far larger than the memory, also if it has to be sorted. */
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../folder.ts';

const folder = temporaryFolder();
const root = new URL('../../../../../../', import.meta.url).pathname;

/** As objects, rows take 80 bytes each: 120 MB. */
const ROWS = 1_500_000;
const HEAP_MB = 40;

const PROGRAM = `
  import { openTrace } from '#services/replay/traces/trace.ts';
  const trace = await openTrace(process.argv[1], { strict: true });
  let [lastMs, positions] = [-1, 0];
  for await (const batch of trace.batches()) {
    positions += batch.length;
    for (const { atMs } of batch) {
      if (atMs < lastMs) throw new Error('not by time');
      lastMs = atMs;
    }
  }
  console.log(JSON.stringify({ positions, rows: trace.report.rows, rssMb: process.resourceUsage().maxRSS / 1024 }));
`;

test(`${ROWS} rows out of order are sorted with a heap of ${HEAP_MB} MB`, () => {
  const path = folder.write('large/new_ab.txt', '');
  for (let at = 0; at < ROWS; at += 50_000) {
    // Some copies of traces begin with the newest row.
    const rows = Array.from({ length: 50_000 }, (_, i) => `37.75 -122.39 0 ${1_300_000_000 - at - i}`);
    appendFileSync(path, `${rows.join('\n')}\n`);
  }
  const node = join(root, 'node_modules/.bin/node');
  const args = [`--max-old-space-size=${HEAP_MB}`, '--input-type=module-typescript', '--eval', PROGRAM, path];
  const { positions, rows, rssMb } = JSON.parse(execFileSync(node, args, { cwd: root, encoding: 'utf8' }));
  expect([positions, rows]).toEqual([ROWS, ROWS]);
  expect(rssMb).toBeLessThan(400);
}, 120_000);
