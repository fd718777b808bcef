import { TagalongError } from '../errors.ts';

/** The error of a call to a bus that is closed, or closes. @returns TagalongError BUS_CLOSED */
export function closedError(call: string): TagalongError {
  return new TagalongError('BUS_CLOSED', `${call}: the bus was closed before this call`);
}
