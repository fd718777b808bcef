/** Parses the values of options. */
import { InvalidArgumentError } from 'commander';
import type { Processes } from '../run/lockstep.ts';

/** A speed: seconds of the run for each second of real time; `max` is Infinity. */
export function speedOption(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const speed = Number(text);
  if (text.trim() === '' || !Number.isFinite(speed) || speed <= 0) {
    throw new InvalidArgumentError('Give a number above 0, or max.');
  }
  return speed;
}

/** The number of processes of each service: `ingest=1,placement=2,migrator=2`. A service that is not named has one. */
export function processesOption(text: string): Processes {
  const counts: Record<keyof Processes, number> = { ingest: 1, placement: 1, migrator: 1 };
  for (const pair of text.split(',')) {
    const [, service, n] = /^\s*(\w+)=(\d{1,2})\s*$/.exec(pair) ?? [];
    if (service === undefined || !(service in counts) || Number(n) === 0) {
      throw new InvalidArgumentError(`"${pair}" is wrong; give ingest=1,placement=2,migrator=2, each at least 1.`);
    }
    counts[service as keyof Processes] = Number(n);
  }
  return counts;
}

/** A TCP port; 0 is any free port. */
export function portOption(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('Give a port from 0 to 65535; 0 takes a free port.');
  }
  return Number(text);
}

/** A seed: any whole number. */
export function seedOption(text: string): number {
  const seed = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(seed)) throw new InvalidArgumentError('Give a whole number.');
  return seed;
}

/** More seeds than anybody needs: the confidence grows only with the square root of their number. */
const MOST_SEEDS = 1000;

/** A range of seeds: `1-5`. */
export function seedsOption(text: string): readonly number[] {
  const [, from, to] = /^(\d{1,9})-(\d{1,9})$/.exec(text) ?? [];
  const count = Number(to) - Number(from) + 1;
  if (!(count >= 2 && count <= MOST_SEEDS)) {
    throw new InvalidArgumentError(
      `Give two seeds, the lower one first, and at most ${MOST_SEEDS} from one to the other: 1-5.`,
    );
  }
  return Array.from({ length: count }, (_, i) => Number(from) + i);
}

const UNITS_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 };

/** A span of time: `30d`, `12h`, `15m`. @returns milliseconds */
export function spanOption(text: string): number {
  const [, number, unit] = /^([1-9]\d{0,5})([dhm])$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('Give a time, as 30d, 12h or 15m.');
  return Number(number) * UNITS_MS[unit!]!;
}

/** Seconds above 0, fractions allowed. */
export function durationOption(text: string): number {
  const seconds = Number(text);
  // The longest delay of a timer.
  if (text.trim() === '' || !(seconds > 0 && seconds <= 2_147_483)) {
    throw new InvalidArgumentError('Give seconds above 0, and at most 2147483.');
  }
  return seconds;
}
