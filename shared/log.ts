import { type DestinationStream, type Level, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { TagalongError } from './errors.ts';

/** The logger of a service. */
export type Log = Logger;

/** The keys of coordinates, users and credentials. Their values are never logged, at any depth of an object. */
const WITHHELD = ['lat', 'lon', 'coordinates', 'user', 'token', 'authorization', 'pseudonymKey'];
const CENSOR = '[withheld]';
/** Deeper levels of an object are not logged, because it may be circular. */
const MAX_DEPTH = 12;

/**
 * The logger of a process: JSON lines with the time in ISO 8601, on standard error unless told otherwise.
 * It withholds coordinates, users and credentials by the name of their key, at any depth. (pino's `redact` reaches only as deep
 * as its wildcards; it is used for the bindings of child loggers.) Texts are not filtered: put variable data into the object,
 * not into the message.
 */
export function createLog(level: Level | 'silent', destination: DestinationStream = pino.destination(2)): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      redact: { paths: WITHHELD, censor: CENSOR },
      // `log` below serializes errors; pino's own serializer would do it a second time.
      serializers: { err: (error) => error },
      formatters: {
        level: (label) => ({ level: label }),
        log: (object) => withhold(object) as Record<string, unknown>,
      },
    },
    destination,
  );
}

/** The logger of one service of the process. Each line has the service's name. */
export function serviceLog(log: Log, service: string): Log {
  return log.child({ service });
}

/** An error's message without a repetition of its causes' messages; with the stack unless it is a TagalongError. */
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
