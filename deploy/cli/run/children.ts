/** The service processes of a replay: started, and started again where one is killed. */
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, startChild } from '#shared/child.ts';
import { CLOCK_VARIABLE } from '#simulations/lockstep/follower.ts';

const MAIN = new URL('../main.ts', import.meta.url).pathname;
/** The status of one to which something wrong was given. */
const USAGE = 2;
/** Before one that found no server tries again. */
const AGAIN_MS = 1000;
/** How long one may take to end in good order. */
const END_MS = 10_000;

/** Options that all processes share, and callbacks about them. */
export interface ChildrenOptions {
  /** The file that all of them are given. */
  readonly config: string;
  /** Returns the address of the clock for the process of this name. */
  readonly address: (name: string) => string;
  /** Destination of their logs. */
  readonly log?: Writable;
  /** Called with the last output of a process that ended by itself, without being killed: it is not restarted. */
  readonly failed: (name: string, words: string) => void;
  /** How long one that was killed stays away. @default 0 */
  readonly awayMs?: () => number;
}

/** The processes, by their names. */
export class Children {
  readonly #options: ChildrenOptions;
  readonly #running = new Map<string, Child>();
  readonly #killed = new Set<string>();
  #ending = false;
  /** How often one was started again. */
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
      // An interrupt at the terminal is for the replay, which ends them in order. Where it is killed, they notice.
      detached: true,
      onLine: (line) => log?.write(`${line}\n`),
    });
    this.#running.set(name, child);
    void child.ended.then((code) => this.#ended(name, code, child));
  }

  /** Kills one without a word, as the loss of its machine does. It comes again. False: it is not there. */
  kill(name: string): boolean {
    return this.#running.get(name)?.signal('SIGKILL') ?? false;
  }

  /** Ends all, in good order where they can. */
  async stop(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#running.values()].map((child) => child.stop(END_MS)));
  }

  async #ended(name: string, code: number | null, { pid, lastWords }: Child): Promise<void> {
    this.#running.delete(name);
    if (this.#ending) return;
    // A process that was killed before may end by itself because it finds no server: the server may come back.
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
