/**
 * Runs all tests: the projects of vitest.config.ts in groups, with one process of vitest for each group. Its arguments go to
 * vitest. The last line of its output is the outcome.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { outcome, type Report } from './outcome.ts';

/**
 * Guests must answer in time, but wait most of the time. All other tests take the processor time that the guests leave: first the
 * tests with servers, which wait often too, then the usual tests, which fill both cores. Only root may set a negative niceness; for
 * others `nice` warns, and the guests have niceness 0.
 */
const GROUPS = {
  'real VMs': { niceness: -10, projects: ['real VMs'] },
  'real servers': { niceness: 10, projects: ['real servers'] },
  usual: { niceness: 19, projects: ['one process', 'usual'] },
  alone: { niceness: 0, projects: ['alone'] },
} as const;

const ROOT = new URL('../', import.meta.url).pathname;
/** In CI, the beginning of the whole CI run. */
const beganMs = Number(process.env.TAGALONG_CI_BEGAN_S ?? Date.now() / 1000) * 1000;
const folder = await mkdtemp(join(tmpdir(), 'tagalong-tests-'));
const reports = new Map<string, Report | undefined>();
const running = new Set<ChildProcess>();
let interrupted = false;

async function runGroup(group: keyof typeof GROUPS): Promise<void> {
  if (interrupted) return;
  const { niceness, projects } = GROUPS[group];
  const file = join(folder, `${group}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const wanted = projects.flatMap((project) => ['--project', project]);
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...wanted, '--passWithNoTests', ...reporters];
  const command = ['-n', `${niceness}`, process.execPath, ...args, ...process.argv.slice(2)];
  const child = spawn('nice', command, {
    cwd: ROOT,
    // The tests start hundreds of processes. Without a compile cache, reading and stripping modules costs half of each start.
    // Most objects are short-lived. With the default young generation of 16 MB, collection takes a fifth of the processor time.
    env: {
      NODE_COMPILE_CACHE: join(ROOT, 'build/node-cache'),
      NODE_OPTIONS: '--max-semi-space-size=64',
      ...process.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    createInterface(from).on('line', (line) => to.write(`${group} | ${line}\n`));
  }
  const code = await new Promise((resolve) => child.once('close', resolve));
  running.delete(child);
  const report = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as Report,
    () => undefined,
  );
  // A good report with another exit status means an error outside of all tests.
  reports.set(group, code !== 0 && report?.numFailedTests === 0 && isWell(report) ? undefined : report);
  console.log(`${group} | ended after ${minutes()}`);
}

function isWell({ testResults }: Report): boolean {
  return testResults.every(({ status }) => status !== 'failed');
}

function minutes(): string {
  const seconds = Math.round((Date.now() - beganMs) / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true;
    for (const child of running) child.kill(signal);
  });
}

try {
  await Promise.all([runGroup('real VMs'), runGroup('real servers').then(() => runGroup('usual'))]);
  await runGroup('alone');
} finally {
  await rm(folder, { recursive: true });
}

const { lines, closing, well } = outcome(reports, ROOT);
for (const line of lines) console.log(line);
console.log(`all of it took ${minutes()}`);
console.log(closing);
process.exitCode = well ? 0 : 1;
