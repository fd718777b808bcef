/** Keeps processes running, as a container engine does: restarts a process that ends, until all are stopped. */

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { watchChild } from '#shared/child.ts';
import { until } from '#shared/clock/retry.ts';
import type { TagalongError } from '#shared/errors.ts';
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
  /** Resolves when the process is ready; rejects after the time. @throws TagalongError PORT_UNAVAILABLE at once */
  ready(timeoutMs: number): Promise<void>;
  /** Stops the process for good. Resolves when it has ended. */
  stop(): Promise<void>;
}

/** @param say receives each line that the process prints, and a line when it ends */
export function supervise(launch: Launch, say: (name: string, line: string) => void): Supervised {
  const { name, command, args, env, readyUrl } = launch;
  let stopping = false;
  let guard: ChildProcess | undefined;
  let pid: number | undefined;
  let taken: TagalongError | undefined;

  const runOnce = async () => {
    // In a process group of its own: a Ctrl-C at the terminal reaches only the supervisor, which stops all processes in order.
    guard = spawn('sh', [GUARD, command, ...args], { env: { ...process.env, ...env }, detached: true });
    const child = watchChild(guard, {
      onLine(line, from) {
        if (from === 'stderr') say(name, line);
        else pid = Number(line);
      },
    });
    const code = await child.ended;
    pid = undefined;
    taken = portTaken(name, child.stderr);
    if (!stopping) say(name, `ended (${guard.signalCode ?? code}); it is started again`);
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
      throw new Error(`${name} is not ready after ${timeoutMs / 1000} s`);
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
