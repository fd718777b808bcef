import { expect, test } from 'vitest';
import { tagalong } from './cli.ts';

// A benchmark takes a minute and more: what it prints is tested in test/unit/simulations.
test('a benchmark that nobody wrote is refused by name, whatever objects inherit', async () => {
  for (const name of ['nothing', 'constructor']) {
    expect(await tagalong(['bench', name])).toEqual({
      code: 2,
      stdout: '',
      stderr: `tagalong: USAGE: no benchmark "${name}"; there are engine, migration, policy\n`,
    });
  }
});

test('what can be measured is in the help', async () => {
  const { code, stdout } = await tagalong(['bench', '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/measure: engine\b/);
});
