/** Keeps processes running, as a container engine does: restarts a process that ends, until all are stopped. */

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { watchChild } from '#shared/child.ts';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import { foreignText } from '#shared/text.ts';
import { portTaken } from './loopback.ts';

const GUARD = new URL('guard.sh', import.meta.url).pathname;
/** Time between the end of a process and its restart. */
const RESTART_MS = 1000;
/** A process that has not ended this long after the stop request is killed. */
const STOP_MS = 20_000;
const LOOK_MS = 200;

/** The command line of a process, and its name. */
export interface Launch {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly readyUrl: string;
}

/** A supervised process. */
export interface Supervised {
  readonly name: string;
  /** Process id of the present run. */
  readonly pid: number | undefined;
  /** Resolves when the process is ready. @throws TagalongError SERVER_UNREACHABLE after the time, PORT_UNAVAILABLE at once */
  ready(timeoutMs: number): Promise<void>;
  /** Stops the process for good. Resolves when it has ended. */
  stop(): Promise<void>;
}

/** Receives the log lines of a supervised process, and its starts and ends. */
export interface Watcher {
  /** Receives each line that the process prints. */
  printed(name: string, line: string): void;
  /** Receives a line when the process ends by itself. */
  ended(name: string, line: string): void;
}

/** Starts a process, and starts it again when it ends, until it is stopped. */
export function supervise(launch: Launch, watcher: Watcher): Supervised {
  const { name, command, args, env, readyUrl } = launch;
  let stopping = false;
  let guard: ChildProcess | undefined;
  let pid: number | undefined;
  let taken: TagalongError | undefined;
  let lastLine = '';

  const runOnce = async () => {
    // In a process group of its own: a Ctrl-C at the terminal reaches only the supervisor, which stops all processes in order.
    guard = spawn('sh', [GUARD, command, ...args], { env: { ...process.env, ...env }, detached: true });
    const child = watchChild(guard, {
      onLine(line, from) {
        if (from === 'stdout') {
          pid = Number(line);
          return;
        }
        lastLine = line;
        watcher.printed(name, line);
      },
    });
    const code = await child.ended;
    pid = undefined;
    taken = portTaken(name, child.stderr);
    if (!stopping) watcher.ended(name, `ended (${guard.signalCode ?? code}); it is started again`);
  };
  const ended = (async () => {
    while (!stopping) {
      await runOnce();
      if (!stopping) await pause(RESTART_MS);
    }
  })();

  return {
    name,
    get pid() {
      return pid;
    },
    async ready(timeoutMs) {
      const isReady = async () => {
        if (taken !== undefined) throw taken;
        return (await answers(readyUrl)) || stopping;
      };
      if (await until(isReady, { everyMs: LOOK_MS, withinMs: timeoutMs })) return;
      const said = lastLine === '' ? 'has printed nothing' : `printed last: ${foreignText(lastLine)}`;
      throw new TagalongError(
        'SERVER_UNREACHABLE',
        `${name} is not ready after ${timeoutMs / 1000} s, and ${said}; start again when the machine has less to do`,
      );
    },
    async stop() {
      stopping = true;
      guard?.kill('SIGTERM');
      // The guard kills the program when its input ends.
      const late = setTimeout(() => guard?.stdin?.end(), STOP_MS);
      await ended;
      clearTimeout(late);
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
