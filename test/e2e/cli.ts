/** Runs the real command line as processes of the pinned Node.js. Each process ends with its test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { type Child, startChild } from '#shared/child.ts';

const root = new URL('../../', import.meta.url).pathname;
const node = join(root, 'node_modules/.bin/node');
const main = join(root, 'deploy/cli/main.ts');

/** The exit status and the output of an ended process. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running process. */
export interface Running {
  /** Resolves when the process has printed this, with the first group of the pattern if it has one. Rejects at its end. */
  printed(pattern: RegExp): Promise<string>;
  /** The printed address of its HTTP server. */
  url(): Promise<string>;
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ended>;
  /** Sends a signal, and waits for the end. */
  stop(signal?: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGKILL'): Promise<Ended>;
}

const children = new Set<Child>();
const folders: string[] = [];

afterEach(async () => {
  await Promise.all([...children].map((child) => child.kill()));
  children.clear();
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** Starts a command. @param env added to the environment, without the variables of Tagalong */
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
    printed: (pattern) => child.printed(pattern),
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

/** Writes a file, and removes it after the test. @returns its path */
export async function file(name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-'));
  folders.push(folder);
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}
