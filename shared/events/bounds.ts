/**
 * How large and how small anything may be that comes in from elsewhere: the one place for these bounds. The schemas of
 * events, configuration and HTTP bodies are made of these pieces.
 *
 * They are far beyond anything real, and so close together that every sum and product of accepted values is finite and fits
 * the events it goes into (`test/property/bounds.test.ts`).
 */
import Type from 'typebox';

/** Ids are parts of subjects, keys, file names and host names. */
const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:@+-]*$';
/** Longest name of a VM, a user, a site or a provider: a UUID takes 36. */
export const MAX_NAME = 128;
/** The last millisecond of the year 9999: RFC 3339, and so the `time` of a CloudEvent, has years of four digits. */
export const MAX_AT_MS = 253_402_300_799_999;
/** A packet that takes longer than 100 s has been given up by everybody. */
export const MAX_RTT_MS = 100_000;
/** 256 TiB: ten times the largest VM that can be rented (24 TiB). */
const MAX_RAM_BYTES = 2 ** 48;
/** 8 PiB, and the largest integer that JSON carries without loss. */
export const MAX_DISK_BYTES = 2 ** 53;
/** A terabyte a second: more than one host's memory or network carries. */
export const MAX_RATE_BPS = 1e12;
/** A weight compares users: a million to one, and one to a million. */
export const MAX_WEIGHT = 1e6;
/** See {@link MAX_WEIGHT}; far smaller ones would divide by nothing. */
export const MIN_WEIGHT = 1e-6;
/** What a move is predicted to take at most: 3,000 years stand for all that will never end. Corrections make ten times that. */
export const LONGEST_MOVE_MS = 1e14;
/** Longer than the time between any two instants that can be said. */
const MAX_DURATION_MS = 10 * LONGEST_MOVE_MS;
/** An exabyte: a thousand copies of the largest memory, and the largest disk. */
export const MAX_SENT_BYTES = 1e18;
/** Every user of a VM at the largest weight and round trip, and a hundred times that. */
const MAX_SERVING_USER_MS_PER_S = 1e16;
/** {@link MAX_SERVING_USER_MS_PER_S} for {@link MAX_DURATION_MS}: what anything can cost or be worth. */
const MAX_USER_MS = 1e30;
/** Users of one VM that are kept: with more, its record would not fit into what bus and store take. */
export const MAX_USERS_PER_VM = 256;
/** Round-trip times in one position, and positions' sites that a client can have measured. */
export const MAX_RTTS = 64;
/** Sites that a client's measurements are kept of: more than are ever candidates for one user. */
export const MAX_RTTS_KEPT = 32;
/** Users who left a VM that are remembered, so that what is late of them changes nothing. */
export const MAX_DETACHED_KEPT = 1000;
/** Orders of one VM's moves that are remembered. */
export const MAX_MOVES_KEPT = 1000;
/** Providers that one site has an uplink to. */
export const MAX_UPLINKS = 64;
/** VMs of one site. */
const MAX_SLOTS = 1_000_000;
/** VMs that one heartbeat names. */
export const MAX_VMS_NAMED = 100_000;
/** Sites that an explanation names: the best ones. More than anybody reads, and the event stays small. */
export const MAX_CANDIDATES = 128;
/** A gap in a client's traffic that a move can have caused: after ten minutes everything has given up. */
const MAX_GAP_MS = 600_000;
/** A reason in words is a few sentences. */
export const MAX_REASON = 1024;
/** A word of our own: a state, a filter, a code. */
export const MAX_WORD = 128;
/** `<site>~<site>/<provider>`. */
const MAX_PATH_ID = 3 * MAX_NAME + 2;

/** A name of a VM, a user, a site or a provider. */
export const Name = Type.String({ minLength: 1, maxLength: MAX_NAME, pattern: NAME_PATTERN });
/** `<vm>:<number>`, for a VM whose name is as long as it may be. */
export const DecisionId = Type.String({ minLength: 1, maxLength: MAX_NAME + 17, pattern: NAME_PATTERN });
/** An instant, in milliseconds since the Unix epoch. */
export const AtMs = Type.Integer({ minimum: 0, maximum: MAX_AT_MS });
/** Degrees north. */
export const Lat = Type.Number({ minimum: -90, maximum: 90 });
/** Degrees east. */
export const Lon = Type.Number({ minimum: -180, maximum: 180 });
/** A round-trip time. */
export const RttMs = Type.Number({ minimum: 0, maximum: MAX_RTT_MS });
/** How much a user counts against a VM's others. */
export const Weight = Type.Number({ minimum: MIN_WEIGHT, maximum: MAX_WEIGHT });
/** Memory of a VM. */
export const RamBytes = Type.Number({ minimum: 1, maximum: MAX_RAM_BYTES });
/** A part of the memory of a VM. */
export const WorkingSetBytes = Type.Number({ minimum: 0, maximum: MAX_RAM_BYTES });
/** Disk of a VM. */
export const DiskBytes = Type.Number({ minimum: 0, maximum: MAX_DISK_BYTES });
/** Bytes a second; 0 where nothing is written or sent. */
export const RateBps = Type.Number({ minimum: 0, maximum: MAX_RATE_BPS });
/** Bytes a second of something that carries. */
export const LinkRateBps = Type.Number({ minimum: 1, maximum: MAX_RATE_BPS });
/** 2,000 s is QEMU's own bound. */
export const DowntimeLimitMs = Type.Number({ exclusiveMinimum: 0, maximum: 2_000_000 });
/** How long something takes, took or is expected to. */
export const DurationMs = Type.Number({ minimum: 0, maximum: MAX_DURATION_MS });
/** A gap in a client's traffic. */
export const GapMs = Type.Number({ minimum: 0, maximum: MAX_GAP_MS });
/** What is sent by a move. */
export const SentBytes = Type.Number({ minimum: 0, maximum: MAX_SENT_BYTES });
/** What a move costs. */
export const CostUserMs = Type.Number({ minimum: 0, maximum: MAX_USER_MS });
/** Negative where the move would make it worse. */
export const BenefitUserMs = Type.Number({ minimum: -MAX_USER_MS, maximum: MAX_USER_MS });
/** What serving from a site costs. */
export const ServingUserMsPerS = Type.Number({ minimum: 0, maximum: MAX_SERVING_USER_MS_PER_S });
/** Everything that is counted is less than the largest exact integer. */
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** How many VMs a site can run. */
export const Slots = Type.Integer({ minimum: 0, maximum: MAX_SLOTS });
/** A word of our own. */
export const Word = Type.String({ maxLength: MAX_WORD });
/** A reason in words. */
export const Reason = Type.String({ maxLength: MAX_REASON });
/** The paths of one move, by their ids. */
export const PathIds = Type.Array(Type.String({ maxLength: MAX_PATH_ID }), { maxItems: MAX_UPLINKS });
/** What went over each path. */
export const BytesByPath = Type.Record(Type.String({ pattern: `^.{1,${MAX_PATH_ID}}$` }), SentBytes, {
  maxProperties: MAX_UPLINKS,
  additionalProperties: false,
});

/** A value from a calculation, within its bounds; what is no number counts as the largest. */
export function within(value: number, maximum: number, minimum = 0): number {
  if (value >= minimum && value <= maximum) return value;
  return value < minimum ? minimum : maximum;
}
