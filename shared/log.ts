import { type DestinationStream, type Level, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { TagalongError } from './errors.ts';

/** What a service writes its log with. */
export type Log = Logger;

/** Where somebody is, who it is, and what lets one in: never written, wherever in an object it stands. */
const WITHHELD = ['lat', 'lon', 'coordinates', 'user', 'token', 'authorization', 'pseudonymKey'];
const CENSOR = '[withheld]';
/** Deeper than this an object is not written: it may be a circle. */
const MAX_DEPTH = 12;

/**
 * The logger of a process: JSON lines with the time in ISO 8601, on standard error unless told otherwise.
 * Coordinates, users and credentials are withheld by the name of their key, at any depth. (pino's `redact` reaches as
 * deep as its wildcards are written; here it only sees to what is bound to a child.) Texts are written as they are: put
 * what varies into the object, not into the message.
 */
export function createLog(level: Level | 'silent', destination: DestinationStream = pino.destination(2)): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: WITHHELD, censor: CENSOR },
      // Errors are taken apart below; pino's own serializer would do it once more.
      serializers: { err: (error) => error },
      formatters: {
        level: (label) => ({ level: label }),
        log: (object) => withhold(object) as Record<string, unknown>,
      },
    },
    destination,
  );
}

/** The logger of one service of the process: each of its lines says which. */
export function serviceLog(log: Log, service: string): Log {
  return log.child({ service });
}

/** What went wrong as its own words have it, without those of its causes once more; where it is not one of ours, with its stack. */
function plain(error: Error): object {
  const { stack, ...rest } = stdSerializers.err(error);
  return { ...rest, message: error.message, ...(!(error instanceof TagalongError) && { stack }) };
}

function withhold(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return '[too deep]';
  if (value instanceof Error) return withhold(plain(value), depth + 1);
  if (Array.isArray(value)) return value.map((item) => withhold(item, depth + 1));
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return withhold(toJSON.call(value), depth + 1);
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, item]) => [key, WITHHELD.includes(key) ? CENSOR : withhold(item, depth + 1)]),
  );
}
