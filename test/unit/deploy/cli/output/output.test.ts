import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openOutput } from '#deploy/cli/output/output.ts';

test('only its owner may read a result, which may contain the movements of people', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tagalong-output-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'report.html');
  await (await openOutput('--report', path)).close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
