/** Child processes: their output is read line by line and its end is stored; no child outlives this process. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/** A child process. */
export interface Child {
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  /** The end of its standard output. */
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of its standard error, where programs report why they end; empty if there is none. */
  readonly lastWords: string;
  /** True from its start to its end. */
  readonly running: boolean;
  /** Resolves with the exit status when it has ended: null if a signal ended it, or if it could not be started. */
  readonly ended: Promise<number | null>;
  /**
   * Resolves when one of its outputs matches, with the first group of the pattern if it has one.
   * Rejects if the child ends first, or if nothing matches within the time.
   */
  printed(pattern: RegExp, withinMs?: number): Promise<string>;
  /** Sends a signal. False if the child has ended. */
  signal(signal: NodeJS.Signals): boolean;
  /** Asks it to end, and kills it if it has not ended within the time. Resolves with {@link ended}. */
  stop(withinMs?: number): Promise<number | null>;
  /** Kills it at once, like the loss of its machine. */
  kill(): Promise<number | null>;
}

/** The settings of reading a child's output. */
export interface Reading {
  /** Called with each line it prints, without the line end. */
  readonly onLine?: (line: string, from: 'stdout' | 'stderr') => void;
  /** How many characters of each output are stored. @default 4000 */
  readonly keepChars?: number;
}

/** The running children. They are killed when this process exits, unless SIGKILL ends it. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a program. Its outputs are read if `options.stdio` pipes them, which is the default. */
export function startChild(
  program: string,
  args: readonly string[],
  { onLine, keepChars, ...options }: SpawnOptions & Reading = {},
): Child {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  return watchChild(child, { ...(onLine && { onLine }), ...(keepChars && { keepChars }) });
}

/** Reads and ends a process that the caller started. */
export function watchChild(child: ChildProcess, reading: Reading = {}): Child {
  return new WatchedChild(child, reading);
}

class WatchedChild implements Child {
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #kept = { stdout: '', stderr: '' };
  /** Called after each text that the child prints. */
  readonly #watchers = new Set<() => void>();
  #over = false;

  constructor(child: ChildProcess, reading: Reading) {
    this.#child = child;
    this.#read('stdout', reading);
    this.#read('stderr', reading);
    running.add(child);
    this.ended = new Promise((resolve) => {
      const end = (code: number | null) => {
        this.#over = true;
        running.delete(child);
        resolve(code);
      };
      child.once('close', end);
      child.once('error', (error) => {
        if (child.pid !== undefined) return;
        this.#kept.stderr += `${error.message}\n`;
        end(null);
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get stdout(): string {
    return this.#kept.stdout;
  }

  get stderr(): string {
    return this.#kept.stderr;
  }

  get lastWords(): string {
    return this.#kept.stderr.trim().split('\n').at(-1) ?? '';
  }

  get running(): boolean {
    return !this.#over;
  }

  async printed(pattern: RegExp, withinMs?: number): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = () => {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) resolve(match[1] ?? match[0]);
    };
    const fail = (why: string) =>
      reject(new Error(`${this.#child.spawnfile} ${why} without printing ${pattern}: ${this.stderr}`));
    const timer = withinMs === undefined ? undefined : setTimeout(() => fail(`ran for ${withinMs} ms`), withinMs);
    this.#watchers.add(look);
    look();
    void this.ended.then(() => fail('ended'));
    return promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(look);
    });
  }

  signal(signal: NodeJS.Signals): boolean {
    return !this.#over && this.#child.kill(signal);
  }

  async stop(withinMs?: number): Promise<number | null> {
    this.signal('SIGTERM');
    const late = withinMs === undefined ? undefined : setTimeout(() => this.signal('SIGKILL'), withinMs);
    return this.ended.finally(() => clearTimeout(late));
  }

  kill(): Promise<number | null> {
    this.signal('SIGKILL');
    return this.ended;
  }

  #read(name: 'stdout' | 'stderr', { onLine, keepChars = 4000 }: Reading): void {
    let rest = '';
    this.#child[name]?.setEncoding('utf8').on('data', (text: string) => {
      this.#kept[name] = (this.#kept[name] + text).slice(-keepChars);
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      if (onLine) for (const line of lines) onLine(line, name);
      for (const look of this.#watchers) look();
    });
  }
}
