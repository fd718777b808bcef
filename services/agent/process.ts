/** QEMU processes: they outlive the agent that started them, and are found again by id and start time. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import { foreignText } from '#shared/text.ts';

export const run = promisify(execFile);

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessId {
  readonly pid: number;
  /** Ticks since boot (field 22 of /proc/PID/stat). */
  readonly startTicks: number;
}

/** The descriptor of the `index`-th inherited file. */
export function inheritedFd(index: number): number {
  return 3 + index;
}

/** A file that a program gets open, because it may not be allowed to open it itself. */
export interface Inherited {
  readonly path: string;
  readonly flags: 'r' | 'r+';
}

/**
 * Starts a program that goes on when its parent ends.
 * @param output gets what it prints
 * @param inherited files that it gets open, from descriptor 3 on
 */
export async function startDetached(
  program: string,
  args: readonly string[],
  output: Writable | 'ignore',
  inherited: readonly Inherited[] = [],
): Promise<ProcessId> {
  const files: FileHandle[] = [];
  try {
    for (const { path, flags } of inherited) files.push(await open(path, flags));
    const stdio = ['ignore' as const, output, output, ...files.map(({ fd }) => fd)];
    const child = spawn(program, args, { detached: true, stdio });
    await spawned(child);
    child.unref();
    return { pid: child.pid!, startTicks: (await startTicks(child.pid!)) ?? 0 };
  } finally {
    for (const file of files) await file.close();
  }
}

/** Resolves once a program runs. @throws the error of the system where it cannot be started */
export function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
}

/** True while that very process runs; a zombie does not. */
export async function isAlive({ pid, startTicks: began }: ProcessId): Promise<boolean> {
  return (await startTicks(pid)) === began;
}

/** Ends a process and waits until it is gone. */
export async function end(id: ProcessId): Promise<void> {
  if (!(await isAlive(id))) return;
  // Nothing of a QEMU that is ended is to be kept: it has no chance to flush.
  process.kill(id.pid, 'SIGKILL');
  await until(async () => !(await isAlive(id)), { everyMs: 5 });
}

/** The processes that were started with such an argument, whoever started them. */
export async function findByArgument(isIt: (word: string) => boolean): Promise<ProcessId[]> {
  const found: ProcessId[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const words = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (!words.split('\0').some(isIt)) continue;
    const ticks = await startTicks(Number(name));
    if (ticks !== undefined) found.push({ pid: Number(name), startTicks: ticks });
  }
  return found;
}

/** When a process began, in ticks since boot; undefined where it is no more. */
export async function startTicks(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name in parentheses may hold anything; the fields after it do not.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
}

/** A command in words, for a program that reads commands from lines. */
export type Words = readonly (string | number)[];

/**
 * What such a program could take for anything but one word: white space, line ends, comments, escapes and quotes other than
 * those around a whole word. Some words come from other hosts, and programs like `ip -batch` run whatever a line says.
 */
const UNFIT_WORD = /[^!-~]|[#\\'`$]|^"?$|^[^"]+"|"[^"]+$/;

/** Runs `ip -batch` on some commands; with `force`, past those that fail. */
export async function batch(program: 'ip', commands: readonly Words[], force = false): Promise<void> {
  if (force) await feed(program, ['-force', '-batch', '-'], commands).catch(() => {});
  else await feed(program, ['-batch', '-'], commands);
}

/**
 * Runs a program that reads commands from its standard input.
 * @throws TagalongError ORDER_REFUSED where a word is none; then nothing was run
 */
export async function feed(program: string, args: readonly string[], commands: readonly Words[]): Promise<void> {
  const lines = commands.map((words) => words.map(wordOf).join(' '));
  await new Promise<void>((resolve, reject) => {
    const child = execFile(program, args, (error, _out, err) =>
      error ? reject(new Error(`${program}: ${foreignText(err) || error.message}`)) : resolve(),
    );
    // A program that ends before it has read everything reports that by its exit status.
    child.stdin!.on('error', () => {});
    child.stdin!.end(`${lines.join('\n')}\n`);
  });
}

function wordOf(word: string | number): string {
  const text = `${word}`;
  if (!UNFIT_WORD.test(text)) return text;
  throw new TagalongError(
    'ORDER_REFUSED',
    `"${foreignText(text, 64)}" must not stand in a command; give a word without spaces and control characters`,
  );
}
