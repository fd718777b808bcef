/** Requests that read much of bus and store: one at a time, and few wait. */
import { TagalongError } from '#shared/errors.ts';

/** How many requests of devices and of admins may wait. More would not be answered before their callers give up. */
const MOST_DEVICES = 4;
const MOST_ADMINS = 16;

/**
 * Does a piece of work when its turn comes. Work for admins comes before work for devices.
 * @param device the name of the caller if it is no admin
 * @throws TagalongError QUOTA_EXCEEDED if too many wait, or if a request of this device has not been answered yet; what `work` throws
 */
export type InTurn = <T>(device: string | undefined, work: () => Promise<T>) => Promise<T>;

/** Makes the turns of one process. */
export function createTurns(): InTurn {
  const admins: (() => void)[] = [];
  const devices: (() => void)[] = [];
  /** The devices whose requests wait or are under way. */
  const asking = new Set<string>();
  let isBusy = false;

  const turn = async (device: string | undefined) => {
    const [waiting, most] = device === undefined ? [admins, MOST_ADMINS] : [devices, MOST_DEVICES];
    if (waiting.length >= most || (device !== undefined && asking.has(device))) {
      const message =
        'exports and erasures of users: too many wait for their turn; send it again after the last answer';
      throw new TagalongError('QUOTA_EXCEEDED', message);
    }
    if (device !== undefined) asking.add(device);
    if (isBusy) await new Promise<void>((resolve) => waiting.push(resolve));
    isBusy = true;
  };
  const next = () => {
    const begin = admins.shift() ?? devices.shift();
    isBusy = begin !== undefined;
    begin?.();
  };

  return async (device, work) => {
    await turn(device);
    try {
      return await work();
    } finally {
      if (device !== undefined) asking.delete(device);
      next();
    }
  };
}
