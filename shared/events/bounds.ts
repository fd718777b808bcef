/**
 * The bounds of all input, in one place. The schemas of events, configuration and HTTP bodies consist of these pieces.
 *
 * Real values stay far within the bounds. The bounds are narrow enough that every sum and product of accepted values is finite and fits
 * the events that contain it (`test/property/bounds.test.ts`).
 */
import Type from 'typebox';

/** Names become parts of subjects, keys, file names and host names. */
const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:@+-]*$';
/** The most partitions of an installation. */
export const MAX_PARTITIONS = 4096;
/** The longest name of a VM, a user, a site or a provider. A UUID has 36 characters. */
export const MAX_NAME = 128;
/** The last millisecond of the year 9999. Years have four digits in RFC 3339, and so in the `time` of a CloudEvent. */
export const MAX_AT_MS = 253_402_300_799_999;
/** 100 s. Every program has given up a packet by then. */
export const MAX_RTT_MS = 100_000;
/** 256 TiB, ten times the largest VM for rent (24 TiB). */
const MAX_RAM_BYTES = 2 ** 48;
/** 8 PiB, and the largest integer that JSON carries without loss. */
export const MAX_DISK_BYTES = 2 ** 53;
/** A terabyte a second: more than one host's memory or network carries. */
export const MAX_RATE_BPS = 1e12;
/** A weight compares users: from one to a million, to a million to one. */
export const MAX_WEIGHT = 1e6;
/** See {@link MAX_WEIGHT}. With far smaller weights a division would overflow. */
export const MIN_WEIGHT = 1e-6;
/** The longest predicted duration: 3,000 years stand for a move that never ends. Corrections may multiply it by ten. */
export const LONGEST_MOVE_MS = 1e14;
/** Longer than the time between any two instants within {@link MAX_AT_MS}. */
const MAX_DURATION_MS = 10 * LONGEST_MOVE_MS;
/** An exabyte, more than a thousand copies of the largest memory together with the largest disk. */
export const MAX_SENT_BYTES = 1e18;
/** A hundred times the cost of the most users of a VM with the largest weights and round trips. */
const MAX_SERVING_USER_MS_PER_S = 1e16;
/** The largest cost or benefit: {@link MAX_SERVING_USER_MS_PER_S} for {@link MAX_DURATION_MS}. */
const MAX_USER_MS = 1e30;
/** The most users of one VM. With more, its record would be larger than bus and store accept. */
export const MAX_USERS_PER_VM = 256;
/** The most round-trip times in one position. */
export const MAX_RTTS = 64;
/** The most sites whose measured round trips are stored for a user: more than are ever candidates for one user. */
export const MAX_RTTS_KEPT = 32;
/** The most former users that a VM's record holds, so that late positions of these users change nothing. */
export const MAX_DETACHED_KEPT = 1000;
/** The most ordered moves that a VM's record holds. */
export const MAX_MOVES_KEPT = 1000;
/** The most uplinks of a site, one for each provider. */
export const MAX_UPLINKS = 64;
/** The most VMs of a group, its lead included, and the most VMs of a set that are kept apart. Each move evaluates all of them. */
export const MAX_RELATED = 64;
/** The most sites in one list of a VM's declaration. */
export const MAX_SITES_NAMED = 64;
/** The largest price of a preference. It exceeds the cost of any usual set of users; a list of allowed sites forbids a site outright. */
const MAX_PREFERENCE_USER_MS_PER_S = 1e12;
/** The most VMs that a site can run. */
const MAX_SLOTS = 1_000_000;
/** The most VMs that a heartbeat names. */
export const MAX_VMS_NAMED = 100_000;
/** The most sites that an explanation names, the best ones first. This keeps the event small. */
export const MAX_CANDIDATES = 128;
/** The most counts of stays in one event. Of more, the least are left out. */
export const MAX_STAY_COUNTS = 2048;
/** The most stays of one kind in an event. */
export const MAX_STAYS = 1_000_000;
/** Number of bins for the length of stays (`shared/policy/state/stay-curve.ts`). */
export const STAY_BINS = 28;
/** The longest gap in a client's traffic: after ten minutes every program has given up. */
const MAX_GAP_MS = 600_000;
/** The longest reason in words: a few sentences. */
export const MAX_REASON = 1024;
/** The longest word of Tagalong's own vocabulary: a state, a filter, a code. */
export const MAX_WORD = 128;
/** `<site>~<site>/<provider>`. */
const MAX_PATH_ID = 3 * MAX_NAME + 2;

/** A name of a VM, a user, a site or a provider. */
export const Name = Type.String({ minLength: 1, maxLength: MAX_NAME, pattern: NAME_PATTERN });
/** `<vm>:<number>`, also for the longest name of a VM. */
export const DecisionId = Type.String({ minLength: 1, maxLength: MAX_NAME + 17, pattern: NAME_PATTERN });
/** An instant, in milliseconds since the Unix epoch. */
export const AtMs = Type.Integer({ minimum: 0, maximum: MAX_AT_MS });
/** Degrees north. */
export const Lat = Type.Number({ minimum: -90, maximum: 90 });
/** Degrees east. */
export const Lon = Type.Number({ minimum: -180, maximum: 180 });
/** A round-trip time. */
export const RttMs = Type.Number({ minimum: 0, maximum: MAX_RTT_MS });
/** The weight of a user relative to the VM's other users. */
export const Weight = Type.Number({ minimum: MIN_WEIGHT, maximum: MAX_WEIGHT });
/** The memory of a VM. */
export const RamBytes = Type.Number({ minimum: 1, maximum: MAX_RAM_BYTES });
/** A part of the memory of a VM. */
export const WorkingSetBytes = Type.Number({ minimum: 0, maximum: MAX_RAM_BYTES });
/** The disk of a VM. */
export const DiskBytes = Type.Number({ minimum: 0, maximum: MAX_DISK_BYTES });
/** Bytes a second; 0 if nothing is written or sent. */
export const RateBps = Type.Number({ minimum: 0, maximum: MAX_RATE_BPS });
/** Bytes a second of a link, so never 0. */
export const LinkRateBps = Type.Number({ minimum: 1, maximum: MAX_RATE_BPS });
/** QEMU has the same bound of 2,000 s. */
export const DowntimeLimitMs = Type.Number({ exclusiveMinimum: 0, maximum: 2_000_000 });
/** A measured or predicted duration. */
export const DurationMs = Type.Number({ minimum: 0, maximum: MAX_DURATION_MS });
/** A gap in a client's traffic. */
export const GapMs = Type.Number({ minimum: 0, maximum: MAX_GAP_MS });
/** The bytes that a move sends. */
export const SentBytes = Type.Number({ minimum: 0, maximum: MAX_SENT_BYTES });
/** The cost of a move. */
export const CostUserMs = Type.Number({ minimum: 0, maximum: MAX_USER_MS });
/** The benefit of a move. It is negative if the move would increase the users' round trips. */
export const BenefitUserMs = Type.Number({ minimum: -MAX_USER_MS, maximum: MAX_USER_MS });
/** The cost of serving users from a site. */
export const ServingUserMsPerS = Type.Number({ minimum: 0, maximum: MAX_SERVING_USER_MS_PER_S });
/** The price of a second at a site that a VM does not prefer. */
export const PreferenceUserMsPerS = Type.Number({ minimum: 0, maximum: MAX_PREFERENCE_USER_MS_PER_S });
/** Sites in a VM's declaration. */
export const SiteNames = Type.Array(Name, { minItems: 1, maxItems: MAX_SITES_NAMED });
/** Number of a bin of lengths of stays. */
export const StayBin = Type.Integer({ minimum: 0, maximum: STAY_BINS - 1 });
/** Stays of one kind that ended in one period. */
export const Stays = Type.Integer({ minimum: 1, maximum: MAX_STAYS });
/** Number of a partition. */
export const Partition = Type.Integer({ minimum: 0, maximum: MAX_PARTITIONS - 1 });
/** A count: at most the largest exact integer. */
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** How many VMs a site can run. */
export const Slots = Type.Integer({ minimum: 0, maximum: MAX_SLOTS });
/** A word of Tagalong's own vocabulary: a state, a filter, a code. */
export const Word = Type.String({ maxLength: MAX_WORD });
/** A reason in words. */
export const Reason = Type.String({ maxLength: MAX_REASON });
/** The paths of one move, by their ids. */
export const PathIds = Type.Array(Type.String({ maxLength: MAX_PATH_ID }), { maxItems: MAX_UPLINKS });
/** The bytes that went over each path. */
export const BytesByPath = Type.Record(Type.String({ pattern: `^.{1,${MAX_PATH_ID}}$` }), SentBytes, {
  maxProperties: MAX_UPLINKS,
  additionalProperties: false,
});

/** Clamps a computed value to its bounds. NaN becomes the maximum. */
export function within(value: number, maximum: number, minimum = 0): number {
  if (value >= minimum && value <= maximum) return value;
  return value < minimum ? minimum : maximum;
}
