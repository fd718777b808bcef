import { expect, test } from 'vitest';
import { startFailure } from '#deploy/testbed/start-failure.ts';
import { startChild } from '#shared/child.ts';

async function failureOf(script: string): Promise<string> {
  const child = startChild('sh', ['-c', script]);
  await child.ended;
  return startFailure(child, 'read its log');
}

test('the failure of a start has the last lines of standard error in one line', async () => {
  const said = await failureOf('for n in one two three four; do echo "$n" >&2; done; echo out; exit 3');
  expect(said).toBe('it ended with status 3, and printed last: two | three | four; read its log');
});

test('it is bounded, and its end is kept', async () => {
  const said = await failureOf('head -c 3000 /dev/zero | tr "\\0" x >&2; echo end >&2; exit 1');
  expect(said.length).toBeLessThan(700);
  expect(said).toMatch(/xend; read its log$/);
});

test('it names the exit status or the signal of a process that printed nothing', async () => {
  expect(await failureOf('exit 7')).toBe('it ended with status 7, and printed nothing; read its log');
  expect(await failureOf('kill -KILL $$')).toBe('a signal ended it, and printed nothing; read its log');
});
