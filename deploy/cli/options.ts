/** Values of options, from text. */
import { InvalidArgumentError } from 'commander';
import type { Processes } from './lockstep.ts';

/** A speed: how many seconds pass in one of the machine's; `max` is Infinity. */
export function speedOption(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const speed = Number(text);
  if (text.trim() === '' || !Number.isFinite(speed) || speed <= 0) {
    throw new InvalidArgumentError('Give a number above 0, or max.');
  }
  return speed;
}

/** How many processes there are of each service: `ingest=1,placement=2,migrator=2`; one of those that are not named. */
export function processesOption(text: string): Processes {
  const counts: Record<keyof Processes, number> = { ingest: 1, placement: 1, migrator: 1 };
  for (const pair of text.split(',')) {
    const [, service, n] = /^\s*(\w+)=(\d{1,2})\s*$/.exec(pair) ?? [];
    if (service === undefined || !(service in counts) || Number(n) === 0) {
      throw new InvalidArgumentError(`"${pair}" does not do; give ingest=1,placement=2,migrator=2, each at least 1.`);
    }
    counts[service as keyof Processes] = Number(n);
  }
  return counts;
}

/** A TCP port; 0 is whichever is free. */
export function portOption(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('Give a port from 0 to 65535; 0 is whichever is free.');
  }
  return Number(text);
}
