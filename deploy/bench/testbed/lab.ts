/** One test bed at a time with one VM on it, for a measurement. */

import type { BenchRow } from '#deploy/bench/bench.ts';
import { distanceKm } from '#shared/geo/distance.ts';
import type { Measured } from '#shared/hypervisor/hypervisor.ts';
import type { DriverRules } from '#shared/hypervisor/qemu/run.ts';
import { DEFAULT_MOVE_MODEL, predictMove } from '#shared/model/move-model.ts';
import { DEFAULT_NETWORK, siteRttMs } from '#shared/model/network.ts';
import { pathsBetween } from '#shared/model/paths.ts';
import { type Apart, farApart, moveVm, RULES, specOf, startVm, twoSites } from '../../testbed/moves.ts';
import { openTestBed, type TestBed } from '../../testbed/world.ts';

export const VM = 'vm1';
const MB = 2 ** 20;

/** The environment of a measurement. */
export interface LabOptions extends Apart {
  readonly ratesBps: readonly number[];
  readonly ramBytes?: number;
  readonly diskBytes?: number;
  /** Guest memory with data in it, which no copy can skip. */
  readonly fillBytes?: number;
  /** False for plain TCP. */
  readonly mptcp?: boolean;
  readonly clients?: readonly string[];
}

/** The measured figures of a move, and its prediction. */
export interface Timed extends Measured {
  readonly durationMs: number;
  /** Time from the first byte of memory until the VM runs at the destination. */
  readonly copyMs: number;
  /** The part of that time in which the VM ran at the source. */
  readonly memoryMs: number;
  /** The part of the bytes that belongs to the disk. */
  readonly diskSentBytes: number;
  readonly predicted: ReturnType<typeof predictMove>;
}

export interface Lab {
  readonly bed: TestBed;
  /** The VM's first address. */
  readonly host: string;
  guest(...words: string[]): Promise<string>;
  /** Moves the VM to the other site. */
  move(more?: Partial<DriverRules>, before?: (step: string) => Promise<void>): Promise<Timed>;
}

/** Builds a bed with a VM, does some work on it, and removes it. */
export async function inLab<T>(options: LabOptions, work: (lab: Lab) => Promise<T>): Promise<T> {
  const { ratesBps, ramBytes = 128 * MB, diskBytes = 0, fillBytes = 0, mptcp = true, clients = ['phone'] } = options;
  const bed = await openTestBed(farApart(twoSites(ratesBps, ...clients), options), { qemu: { mptcp } });
  const removed = () => void bed.close().then(() => process.exit(130));
  process.once('SIGINT', removed);
  try {
    const spec = specOf({ ramBytes, diskBytes });
    const host = await startVm(bed, VM, 'oslo', spec);
    let [at, away] = ['oslo', 'bonn'];
    const guest = (...words: string[]) => bed.agents.get(at)!.guest(VM, words);
    if (fillBytes > 0) await guest('fill', `${fillBytes}`);
    return await work({
      bed,
      host,
      guest,
      async move(more = {}, before = async () => {}) {
        const began = performance.now();
        let copyBegan = began;
        let stopBegan = began;
        let copyEnded = began;
        let diskSentBytes = 0;
        const measured = await moveVm(bed, VM, at, away, {
          spec,
          rules: { ...RULES, ...more },
          async before(step) {
            if (step === 'memory') copyBegan = performance.now();
            if (step === 'switch') {
              const { instance } = await bed.agents.get(at)!.instance(VM);
              diskSentBytes = instance?.disk?.sentBytes ?? 0;
              stopBegan = performance.now();
            }
            if (step === 'release') copyEnded = performance.now();
            await before(step);
          },
        });
        const ended = performance.now();
        const predicted = predict(bed, { ...spec, ramBytes: measured.bytes - diskSentBytes }, options.rttMs ?? 0);
        [at, away] = [away, at];
        const times = { durationMs: ended - began, copyMs: copyEnded - copyBegan, memoryMs: stopBegan - copyBegan };
        return { ...measured, ...times, diskSentBytes, predicted };
      },
    });
  } finally {
    process.removeListener('SIGINT', removed);
    await bed.close();
  }
}

/** The policy's prediction for a move of this many bytes. */
function predict({ topology, move }: TestBed, spec: ReturnType<typeof specOf>, addedMs: number) {
  const [from, to] = [topology.sites[0]!, topology.sites[1]!];
  // Both namespaces are on one host: there is no distance but what the paths add.
  const rttMs = siteRttMs(DEFAULT_NETWORK, distanceKm(from, from)) + addedMs;
  return predictMove({ ...DEFAULT_MOVE_MODEL, ...move }, spec, pathsBetween(from, to), rttMs);
}

/** A row without an aim. */
export function plain(metric: string, value: number, unit: string): BenchRow {
  return { metric, value, unit };
}

/** A row whose aim is at most this value. */
export function atMost(metric: string, value: number, unit: string, aim: number): BenchRow {
  return { metric, value, unit, aim: `<= ${aim}`, met: value <= aim };
}

/** A row whose aim is exactly this value. */
export function exactly(metric: string, value: number, unit: string, aim: number): BenchRow {
  return { metric, value, unit, aim: `= ${aim}`, met: value === aim };
}

/** Prints the current measurement on standard error. */
export function say(what: string): void {
  process.stderr.write(`${what}\n`);
}
