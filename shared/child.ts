/** Child processes: what one prints is kept and read line by line, and it does not outlive this process. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/** A child process. */
export interface Child {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  /** The end of what it printed. */
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of its standard error, where programs say why they end; empty where there is none. */
  readonly lastWords: string;
  /** True from its start to its end. */
  readonly running: boolean;
  /** Resolves with the exit status when it has ended: null where a signal ended it, or where it could not be started. */
  readonly ended: Promise<number | null>;
  /**
   * Resolves when one of its outputs matches, with the first group of the pattern where it has one.
   * Rejects where it ends before, or does not match within the time.
   */
  printed(pattern: RegExp, withinMs?: number): Promise<string>;
  /** Sends a signal. False where it is gone. */
  signal(signal: NodeJS.Signals): boolean;
  /** Asks it to end, and kills it where it has not ended within the time. Resolves with {@link ended}. */
  stop(withinMs?: number): Promise<number | null>;
  /** Ends it at once, as the loss of its machine does. */
  kill(): Promise<number | null>;
}

/** How a child is read. */
export interface Reading {
  /** Called with each line it prints, without the line end. */
  readonly onLine?: (line: string, from: 'stdout' | 'stderr') => void;
  /** How many characters of each output are kept. @default 4000 */
  readonly keepChars?: number;
}

/** Those that run: they are killed when this process exits, however it does but by SIGKILL. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a program. Its outputs are read where `options.stdio` pipes them, as it does by default. */
export function startChild(
  program: string,
  args: readonly string[],
  { onLine, keepChars, ...options }: SpawnOptions & Reading = {},
): Child {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  return watchChild(child, { ...(onLine && { onLine }), ...(keepChars && { keepChars }) });
}

/** Reads and ends a process that somebody else started. */
export function watchChild(child: ChildProcess, { onLine, keepChars = 4000 }: Reading = {}): Child {
  const kept = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  const read = (name: 'stdout' | 'stderr') => {
    let rest = '';
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      kept[name] = (kept[name] + text).slice(-keepChars);
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      if (onLine) for (const line of lines) onLine(line, name);
      for (const look of watchers) look();
    });
  };
  read('stdout');
  read('stderr');
  running.add(child);
  let over = false;
  const ended = new Promise<number | null>((resolve) => {
    const end = (code: number | null) => {
      over = true;
      running.delete(child);
      resolve(code);
    };
    child.once('close', end);
    child.once('error', (error) => {
      if (child.pid !== undefined) return;
      kept.stderr += `${error.message}\n`;
      end(null);
    });
  });
  const lastWords = () => kept.stderr.trim().split('\n').at(-1) ?? '';
  const signal = (name: NodeJS.Signals) => !over && child.kill(name);
  return {
    get pid() {
      return child.pid;
    },
    get stdout() {
      return kept.stdout;
    },
    get stderr() {
      return kept.stderr;
    },
    get lastWords() {
      return lastWords();
    },
    get running() {
      return !over;
    },
    ended,
    async printed(pattern, withinMs) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const look = () => {
        const match = pattern.exec(kept.stdout) ?? pattern.exec(kept.stderr);
        if (match !== null) resolve(match[1] ?? match[0]);
      };
      const fail = (why: string) =>
        reject(new Error(`${child.spawnfile} ${why} without printing ${pattern}: ${kept.stderr}`));
      const timer = withinMs === undefined ? undefined : setTimeout(() => fail(`ran for ${withinMs} ms`), withinMs);
      watchers.add(look);
      look();
      void ended.then(() => fail('ended'));
      return promise.finally(() => {
        clearTimeout(timer);
        watchers.delete(look);
      });
    },
    signal,
    async stop(withinMs) {
      signal('SIGTERM');
      const late = withinMs === undefined ? undefined : setTimeout(() => signal('SIGKILL'), withinMs);
      return ended.finally(() => clearTimeout(late));
    },
    kill() {
      signal('SIGKILL');
      return ended;
    },
  };
}
