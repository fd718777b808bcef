/** Starts a real Prometheus for tests, on a loopback port that it picks, with its data in a temporary folder. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Child, startChild } from '#shared/child.ts';
import { until } from '#shared/clock/retry.ts';
import { describeNeeding } from '../needing.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const START_TIMEOUT_MS = 30_000;

/** A running Prometheus of a test. */
export interface PrometheusTestServer {
  readonly url: string;
  /** Sends a request to its API. Rejects with the answer if it is no success. */
  ask<T>(path: string, query?: Readonly<Record<string, string>>): Promise<T>;
  /** Stops Prometheus and removes its data. */
  stop(): Promise<void>;
}

/** One value of an instant query. */
export interface Sampled {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [atS: number, value: string];
}

function pathOf(program: 'prometheus' | 'promtool'): string | undefined {
  const folders = [`${ROOT}build/servers`, ...(process.env.PATH ?? '').split(':')];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Registers tests that need Prometheus. Without it they are skipped by name; in CI they fail. */
export function onPrometheus(name: string, tests: () => void): void {
  const why = 'prometheus or promtool is missing; npm run prerequisites installs them';
  const isHere = pathOf('prometheus') !== undefined && pathOf('promtool') !== undefined;
  describeNeeding('Prometheus', isHere ? undefined : why, name, tests);
}

/** Runs promtool; rejects with its output if it finds a fault. @param input for its standard input */
export async function promtool(args: readonly string[], input = ''): Promise<string> {
  const running = promisify(execFile)(pathOf('promtool')!, [...args], { cwd: ROOT });
  running.child.stdin?.end(input);
  const { stdout, stderr } = await running;
  return stdout + stderr;
}

/**
 * Starts a server with the deployed configuration.
 * @param targets the content of targets.yaml
 */
export async function startPrometheus(targets: object): Promise<PrometheusTestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-prometheus-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  for (const file of ['prometheus.yaml', 'alerts.yaml'])
    await cp(`${ROOT}deploy/monitoring/${file}`, join(folder, file));
  await writeFile(join(folder, 'targets.yaml'), JSON.stringify(targets));
  const child = startChild(
    pathOf('prometheus')!,
    [
      `--config.file=${folder}/prometheus.yaml`,
      `--storage.tsdb.path=${folder}/data`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const stop = async () => {
    await child.kill();
    await remove();
  };
  let url: string;
  try {
    url = `http://${await child.printed(/"Listening on" address=(127\.0\.0\.1:\d+)/, START_TIMEOUT_MS)}`;
    await ready(url, child);
  } catch (cause) {
    await stop();
    throw new Error(`Prometheus does not start: ${child.stderr}`, { cause });
  }
  return {
    url,
    async ask<T>(path: string, query: Readonly<Record<string, string>> = {}) {
      const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(query)}`);
      const answer = (await response.json()) as { status: string; error?: string; data: T };
      if (answer.status !== 'success') throw new Error(`${JSON.stringify(query)}: ${answer.error}`);
      return answer.data;
    },
    stop,
  };
}

async function ready(url: string, child: Child): Promise<void> {
  const isOver = async () => !child.running || ((await fetch(`${url}/-/ready`).catch(() => undefined))?.ok ?? false);
  const isInTime = await until(isOver, { everyMs: 100, withinMs: START_TIMEOUT_MS });
  if (!isInTime || !child.running) throw new Error('it is not ready');
}
