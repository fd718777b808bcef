/** The real command line, as processes of the pinned Node.js. None of them outlives its test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { type Child, startChild } from '#shared/child.ts';

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

const children = new Set<Child>();
const folders: string[] = [];

afterEach(async () => {
  await Promise.all([...children].map((child) => child.kill()));
  children.clear();
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** Starts a command. @param env on top of the environment, of which nothing that concerns Tagalong is passed on */
export function begin(args: readonly string[], env: Record<string, string> = {}): Running {
  const { FORCE_COLOR: _, TAGALONG_URL: __, TAGALONG_TOKEN: ___, TAGALONG_DEBUG: ____, ...inherited } = process.env;
  const child = startChild(node, [main, ...args], {
    cwd: root,
    env: { ...inherited, NO_COLOR: '1', ...env },
    keepChars: Number.POSITIVE_INFINITY,
  });
  children.add(child);
  const ended = child.ended.then((code): Ended => ({ code, stdout: child.stdout, stderr: child.stderr }));
  return {
    said: (pattern) => child.printed(pattern),
    url: () => child.printed(/^(http:\/\/[\w.:]+)\b.*\n/m),
    ended,
    stop(signal = 'SIGTERM') {
      child.signal(signal);
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
