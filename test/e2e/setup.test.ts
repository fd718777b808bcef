/** The commands of deploy/SETUP.md as they are typed: from nothing to a phone, an operator and a record of who did what. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const run = promisify(execFile);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-setup-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('the commands of the page give each caller what its role permits, and leave a record', {
  timeout: 300_000,
}, async () => {
  const page = await readFile(`${ROOT}deploy/SETUP.md`, 'utf8');
  const [port] = await freePorts(1);
  const [start, ...blocks] = [...page.matchAll(/^```\n(.*?)^```/gms)].map(([, block]) =>
    block!.replaceAll('8080', `${port}`).trim().split('\n'),
  );
  const [install, init, up, ...none] = start!;
  expect([install, none]).toEqual(['npm ci', []]);
  const lines = blocks.flat();
  // `npx tagalong` runs the sources.
  const npx = `#!/bin/sh\nshift\nexec ${ROOT}node_modules/.bin/node ${ROOT}deploy/cli/main.ts "$@"\n`;
  await writeFile(join(folder, 'npx'), npx, { mode: 0o755 });
  const script = [
    init,
    `sed -i 's/^  port: 8080$/  port: ${port}/' tagalong/tagalong.yaml`,
    `${up} & trap 'kill $!; wait $!' EXIT`,
    'for i in $(seq 600); do grep -q "the dashboard answers" tagalong/tagalong.log && break; sleep 0.2; done',
    ...lines.map((line, i) => `echo; echo "=== ${i}"; { ${line}; } 2>&1`),
  ];
  const { TAGALONG_URL: _, TAGALONG_TOKEN: __, ...inherited } = process.env;
  const env = { ...inherited, NO_COLOR: '1', PATH: `${folder}${delimiter}${process.env.PATH}` };
  const { stdout } = await run('bash', ['-c', script.join('\n')], { cwd: folder, env });
  const answerTo = (part: string) => {
    const at = lines.findIndex((line) => line.includes(part));
    expect(at, part).toBeGreaterThanOrEqual(0);
    return stdout.split(/^=== \d+\n/m)[at + 1]!;
  };

  expect(answerTo('npx tagalong status')).toContain('desktop-1');
  expect(answerTo('curl')).toMatch(/^\{"accepted":1,/m);
  expect(answerTo('drain new-york')).toContain('new-york');
  expect(answerTo('token list')).toContain('FORBIDDEN');
  const audit = answerTo('audit')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(audit).toMatchObject([
    { who: 'http.token', role: 'admin', outcome: 'done' },
    { who: 'http.token', role: 'admin', outcome: 'done' },
    {
      who: expect.stringMatching(/^token /),
      role: 'operator',
      on: { site: 'new-york' },
      outcome: 'done',
    },
    { who: expect.stringMatching(/^token /), role: 'operator', outcome: 'refused', status: 403 },
  ]);
  const log = await readFile(join(folder, 'tagalong/tagalong.log'), 'utf8');
  for (const name of ['admin', 'alice', 'ann']) {
    expect(log).not.toContain((await readFile(join(folder, `tagalong/${name}.token`), 'utf8')).trim());
  }
});
