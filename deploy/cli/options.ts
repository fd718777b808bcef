/** Values of options, from text. */
import { InvalidArgumentError } from 'commander';

/** A speed: how many seconds pass in one of the machine's; `max` is Infinity. */
export function speedOption(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY;
  const speed = Number(text);
  if (text.trim() === '' || !Number.isFinite(speed) || speed <= 0) {
    throw new InvalidArgumentError('Give a number above 0, or max.');
  }
  return speed;
}

/** A TCP port; 0 is whichever is free. */
export function portOption(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('Give a port from 0 to 65535; 0 is whichever is free.');
  }
  return Number(text);
}
