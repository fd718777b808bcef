/** Runs placements as processes of their own and collects their progress. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Config } from '#shared/config/schema.ts';

/** Progress report of a placement, sent when it has handled more events. */
export interface Sample {
  /** Location events since it started. */
  readonly handled: number;
  /** Those that ended in the quiet radius, and those that were too old to act on. */
  readonly quiet: number;
  readonly stale: number;
  /** Time of the machine's clock, with fractions. */
  readonly atMs: number;
  readonly cpuUs: number;
  /** Its largest memory so far. */
  readonly peakBytes: number;
}

const PROGRAM = new URL('placement.main.ts', import.meta.url);

/** Several placements that share the partitions, from `start` to `stop`. */
export class Placements {
  readonly samples: Sample[][];
  /** The time at which all of them were ordered to begin, by the clock of a sample. */
  begunMs = 0;
  readonly #children: ChildProcess[];
  #connected = 0;
  #wake = () => {};

  constructor(config: Config, processes: number) {
    this.samples = Array.from({ length: processes }, () => []);
    this.#children = this.samples.map((samples) => {
      const child = fork(PROGRAM, [JSON.stringify(config)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      child.on('message', (said: Sample | 'connected') => {
        if (said === 'connected') this.#begin();
        else samples.push(said);
        this.#wake();
      });
      child.once('exit', () => this.#wake());
      return child;
    });
  }

  /** Starts all of them at once, so that none owns all partitions before the others have joined. */
  #begin(): void {
    this.#connected++;
    if (this.#connected < this.#children.length) return;
    this.begunMs = performance.timeOrigin + performance.now();
    for (const child of this.#children) child.send('begin');
  }

  /** Resolves when together they have handled this number of location events. */
  async handled(count: number): Promise<void> {
    while (this.samples.reduce((sum, samples) => sum + (samples.at(-1)?.handled ?? 0), 0) < count) {
      if (this.#children.some(({ exitCode }) => exitCode !== null)) throw new Error('a placement has ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves when they have finished their work and have exited. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null) return;
        const gone = once(child, 'exit');
        if (child.connected) child.send('stop');
        await gone;
      }),
    );
  }
}

/**
 * The rates of the placements while all of them worked: from the start of the last one to the end of the first. If that time is too
 * short to measure, the rates since all were ordered to begin.
 */
export function ratesOf({
  samples,
  begunMs,
}: {
  readonly samples: readonly (readonly Sample[])[];
  readonly begunMs: number;
}): { perS: number; cpuUsPerEvent: number } {
  const working = samples.filter(({ length }) => length > 0);
  const beginMs = Math.max(...working.map(([first]) => first!.atMs));
  const endMs = Math.min(...working.map((of) => of.at(-1)!.atMs));
  const within = working.map((of) => {
    const [first, last] = [beginMs, endMs].map((atMs) => of.findLast((sample) => sample.atMs <= atMs) ?? of[0]!);
    return { events: last!.handled - first!.handled, cpuUs: last!.cpuUs - first!.cpuUs };
  });
  if (beginMs < endMs && within.every(({ events }) => events > 0)) return ratio(within, endMs - beginMs);
  const all = working.map((of) => ({ events: of.at(-1)!.handled, cpuUs: of.at(-1)!.cpuUs }));
  return ratio(all, Math.max(...working.map((of) => of.at(-1)!.atMs)) - begunMs);
}

function ratio(work: readonly { readonly events: number; readonly cpuUs: number }[], tookMs: number) {
  const events = work.reduce((sum, one) => sum + one.events, 0);
  const cpuUs = work.reduce((sum, one) => sum + one.cpuUs, 0);
  return { perS: (events / tookMs) * 1000, cpuUsPerEvent: cpuUs / events };
}
