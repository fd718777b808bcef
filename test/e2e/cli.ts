/** The real command line, as processes of the pinned Node.js. None of them outlives its test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

const root = new URL('../../', import.meta.url).pathname;
const node = join(root, 'node_modules/.bin/node');
const main = join(root, 'deploy/cli/main.ts');

/** A process that ended: its exit status and everything it said. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs. */
export interface Running {
  /** Resolves when it has said this, with the first group of the pattern where it has one. Rejects if it ends without. */
  said(pattern: RegExp): Promise<string>;
  /** The address that it says it answers at. */
  url(): Promise<string>;
  /** Resolves when it has ended, by itself or because it was asked to. */
  readonly ended: Promise<Ended>;
  /** Asks it to end; or ends it at once, as a crash does. */
  stop(signal?: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGKILL'): Promise<Ended>;
}

const children = new Set<ChildProcess>();
const folders: string[] = [];

afterEach(async () => {
  const alive = [...children].filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  children.clear();
  await Promise.all(
    alive.map(async (child) => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }),
  );
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** Starts a command. @param env on top of the environment, of which nothing that concerns Tagalong is passed on */
export function begin(args: readonly string[], env: Record<string, string> = {}): Running {
  const { FORCE_COLOR: _, TAGALONG_URL: __, TAGALONG_TOKEN: ___, TAGALONG_DEBUG: ____, ...inherited } = process.env;
  const child = spawn(node, [main, ...args], {
    cwd: root,
    env: { ...inherited, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const look of watchers) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const look of watchers) look();
  });
  const ended = once(child, 'close').then(([code]): Ended => ({ code, stdout, stderr }));
  const said = (pattern: RegExp) =>
    new Promise<string>((found, lost) => {
      const look = () => {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match !== null) found(match[1] ?? match[0]);
      };
      watchers.add(look);
      look();
      ended.then(() => lost(new Error(`ended without saying ${pattern}: ${stderr}`)), lost);
    });
  return {
    said,
    url: () => said(/^(http:\/\/[\w.:]+)\b.*\n/m),
    ended,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

/** Runs a command to its end. */
export function tagalong(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return begin(args, env).ended;
}

/** Writes a file for the length of a test. @returns its path */
export async function file(name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-'));
  folders.push(folder);
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}
