/** Starts the service processes of a replay, and restarts those that are killed. */
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, startChild } from '#shared/child.ts';
import { CLOCK_VARIABLE } from '#simulations/lockstep/clock-address.ts';

const MAIN = new URL('../main.ts', import.meta.url).pathname;
/** The exit status of a process with wrong options or a wrong configuration. */
const USAGE = 2;
/** Delay before a process that found no server is started again. */
const AGAIN_MS = 1000;
/** The longest time for an orderly end of a process. */
const END_MS = 10_000;

/** Options that all processes share, and callbacks about them. */
export interface ChildrenOptions {
  /** The configuration file of all processes. */
  readonly config: string;
  /** Returns the address of the clock for the process of this name. */
  readonly address: (name: string) => string;
  /** Destination of their logs. */
  readonly log?: Writable;
  /** Called with the last output of a process that ended by itself. Such a process is not restarted. */
  readonly failed: (name: string, words: string) => void;
  /** Delay before a killed process is restarted. @default 0 */
  readonly awayMs?: () => number;
}

/** The processes, by their names. */
export class Children {
  readonly #options: ChildrenOptions;
  readonly #running = new Map<string, Child>();
  readonly #killed = new Set<string>();
  #ending = false;
  /** The number of restarts. */
  restarts = 0;

  constructor(options: ChildrenOptions) {
    this.#options = options;
  }

  /** @param name the service and a number: `placement-1` */
  start(name: string): void {
    const { config, address, log } = this.#options;
    const [service] = name.split('-') as [string];
    const child = startChild(process.execPath, [MAIN, service, '--config', config, '--port', '0'], {
      env: { ...process.env, [CLOCK_VARIABLE]: address(name) },
      stdio: ['ignore', 'ignore', 'pipe'],
      // An interrupt at the terminal goes to the replay alone, which stops its processes in order. They notice if it is killed.
      detached: true,
      onLine: (line) => log?.write(`${line}\n`),
    });
    this.#running.set(name, child);
    void child.ended.then((code) => this.#ended(name, code, child));
  }

  /** Kills a process, as the loss of its machine does; it is restarted. @returns false if it does not run */
  kill(name: string): boolean {
    return this.#running.get(name)?.signal('SIGKILL') ?? false;
  }

  /** Stops all processes; kills those that do not stop in time. */
  async stop(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#running.values()].map((child) => child.stop(END_MS)));
  }

  async #ended(name: string, code: number | null, { pid, lastWords }: Child): Promise<void> {
    this.#running.delete(name);
    if (this.#ending) return;
    // A restarted process may end by itself because it finds no server; the server may come back.
    if (pid === undefined || code === USAGE || (code !== null && !this.#killed.has(name))) {
      this.#options.failed(name, lastWords);
      return;
    }
    this.#killed.add(name);
    await sleep(code === null ? (this.#options.awayMs?.() ?? 0) : AGAIN_MS);
    if (this.#ending) return;
    this.restarts++;
    this.start(name);
  }
}
