import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { TraceReport } from '#services/replay/traces/report.ts';
import { openTrace } from '#services/replay/traces/trace.ts';

/** Makes a folder for the files of one test file, and removes it after the tests. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'tagalong-'));
  afterAll(() => rmSync(path, { recursive: true }));
  return {
    path,
    /** Writes a file in the folder. @returns its path */
    write(name: string, content: string | Uint8Array): string {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      return file;
    },
  };
}

/** Reads a trace to its end. */
export async function readAll(
  path: string,
  options?: Parameters<typeof openTrace>[1],
): Promise<{ fixes: Fix[]; report: TraceReport }> {
  const trace = await openTrace(path, options);
  const fixes: Fix[] = [];
  for await (const batch of trace.batches()) fixes.push(...batch);
  return { fixes, report: trace.report };
}
