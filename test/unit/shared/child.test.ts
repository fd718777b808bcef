import { readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { type Child, startChild } from '#shared/child.ts';
import { PATIENTLY } from '../../patience.ts';

const script = (text: string): Child => startChild('sh', ['-c', text]);

test('printed waits for output, and the output stays available', async () => {
  const child = script('echo ready at 7; echo "a fault" >&2; exit 3');
  expect(await child.printed(/ready at (\d)/)).toBe('7');
  expect(await child.ended).toBe(3);
  expect([child.stdout, child.lastWords, child.running]).toEqual(['ready at 7\n', 'a fault', false]);
  // Output is also found after the end of the program.
  expect(await child.printed(/a \w+/)).toBe('a fault');
});

test('onLine gets whole lines of both outputs', async () => {
  const lines: string[] = [];
  const child = startChild('sh', ['-c', 'printf one; sleep 0.1; printf "\\ntwo\\n"; echo three >&2'], {
    onLine: (line, from) => lines.push(`${from} ${line}`),
  });
  await child.ended;
  expect(lines.sort()).toEqual(['stderr three', 'stdout one', 'stdout two']);
});

test('a wait fails at the end of the program, at the time limit, and if the program cannot start', async () => {
  await expect(script('exit 1').printed(/never/)).rejects.toThrow('ended without printing');
  const child = script('exec sleep 60');
  await expect(child.printed(/never/, 50)).rejects.toThrow('ran for 50 ms');
  expect(await child.kill()).toBeNull();
  const none = startChild('/no/such/program', []);
  expect([await none.ended, none.pid]).toEqual([null, undefined]);
  expect(none.lastWords).toContain('ENOENT');
});

test('stop kills a program that ignores SIGTERM', async () => {
  const child = script('trap "" TERM; echo ready; while :; do sleep 0.05; done');
  await child.printed(/ready/);
  expect(await child.stop(100)).toBeNull();
  expect(child.running).toBe(false);
});

test('a program ends with the process that started it', async () => {
  const url = new URL('../../../shared/child.ts', import.meta.url).href;
  const parent = startChild(process.execPath, [
    '--input-type=module',
    '-e',
    `const { startChild } = await import(${JSON.stringify(url)});
     console.log('child', startChild('sleep', ['60']).pid);
     setTimeout(() => process.exit(), 50);`,
  ]);
  const pid = await parent.printed(/child (\d+)/);
  expect(await parent.ended).toBe(0);
  // A zombie may remain if no process reaps it.
  const stat = () => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  await vi.waitFor(async () => expect(await stat()).toMatch(/\) Z/), PATIENTLY);
});
