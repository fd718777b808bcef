/** The Kafka client of bus and store: configures kafkajs, forwards its log, and maps its errors to ours. */
import { type Admin, Kafka, type KafkaConfig, type LogEntry, logLevel } from 'kafkajs';
import type { ServerRole } from '../connection/role.ts';
import { ConnectionWatch } from '../connection/watch.ts';
import { TagalongError } from '../errors.ts';
import { type Log, serviceLog } from '../log.ts';
import { type RepeatedFault, repeatedFault } from '../log-repeats.ts';
import { countLogged, type KafkaCounters, kafkaCounters } from './counters.ts';
import { type KafkaOptions, type KafkaTiming, TIMING } from './options.ts';
import './quiet-timer.ts';

/**
 * Retries of a request: for half a minute, and at least once a second, so that the client soon finds a broker that has returned.
 * kafkajs nests its retries, and gives up as soon as the innermost one gives up.
 */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, retries: 30 };
/** Retries of the first connection: a few seconds only, so that a wrong address is reported soon. */
const FIRST_RETRY = { ...RETRY, retries: 5 };
const CONNECT_TIMEOUT_MS = 5_000;

/** The client of one bus or one store of this process. */
export interface KafkaClient {
  /** The client's purpose, bus or store. It decides the codes of the errors. */
  readonly role: ServerRole;
  readonly prefix: string;
  readonly brokers: readonly string[];
  readonly timing: KafkaTiming;
  readonly log: Log | undefined;
  readonly counters: KafkaCounters;
  readonly admin: Admin;
  /**
   * Creates a kafkajs client. Each consumer needs its own: the consumers of one client share a cache of committed offsets, and two
   * members of one group would clear it for each other.
   */
  kafka(): Kafka;
  close(): Promise<void>;
}

/**
 * Watches whether topics are usable: a broker answers, and each of their partitions has a leader. The caller closes the watch.
 */
export function watchTopics(client: KafkaClient, topics: readonly string[]): ConnectionWatch {
  return new ConnectionWatch({
    what: client.role.name,
    log: client.log,
    where: () => client.brokers.join(', '),
    ask: () => client.admin.fetchTopicMetadata({ topics: [...topics] }),
    reasonOf: (error) => (error as { type?: string }).type ?? 'no broker answers',
  });
}

/** Connects. @throws TagalongError `role.unreachable` if no broker answers, or none accepts our credentials */
export async function connectKafka(options: KafkaOptions, role: ServerRole): Promise<KafkaClient> {
  const counters = kafkaCounters();
  const config = configOf(options, counters);
  const first = new Kafka({ ...config, retry: FIRST_RETRY }).admin();
  const admin = new Kafka(config).admin();
  try {
    await first.connect();
    await admin.connect();
  } catch (cause) {
    throw unreachable(role, `no broker at ${options.brokers.join(', ')} could be spoken to`, cause);
  } finally {
    await first.disconnect().catch(() => {});
  }
  return {
    role,
    prefix: options.prefix ?? 'tagalong',
    brokers: options.brokers,
    timing: { ...TIMING, ...options.timing },
    log: options.log && serviceLog(options.log, 'kafka'),
    counters,
    admin,
    kafka: () => new Kafka(config),
    close: () => admin.disconnect(),
  };
}

/** The id of a group on the brokers. The id of a group with one process has one more part after another slash. */
export function groupIdOf(prefix: string, group: string): string {
  return `${prefix}/${group}`;
}

/**
 * Maps an error of kafkajs to ours, with the code `role.unreachable`. The message also tells if the brokers refused our credentials.
 * @param what the failed operation
 */
export function unreachable(role: ServerRole, what: string, cause: unknown): TagalongError {
  const { message } = cause as Error;
  const refused = (cause as Error).name === 'KafkaJSSASLAuthenticationError' || /SASL/.test(message);
  const hint = refused ? 'check user, password and mechanism' : 'check that the brokers run and can be reached';
  return new TagalongError(role.unreachable, `${what}: ${message}; ${hint}`, { cause });
}

function configOf({ brokers, sasl, tls, log }: KafkaOptions, counters: KafkaCounters): KafkaConfig {
  const forward = forwarding(log && serviceLog(log, 'kafka'));
  return {
    clientId: 'tagalong',
    brokers: [...brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    retry: RETRY,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => {
      countLogged(counters, entry);
      forward(entry);
    },
    ...(tls && { ssl: { ...tls } }),
    ...(sasl && { sasl: sasl as NonNullable<KafkaConfig['sasl']> }),
  };
}

/** kafkajs warns of each producer with a limit of retries. Ours has a limit on purpose: it is replaced when it gives up. */
const EXPECTED = 'Limiting retries for the idempotent producer';

/** The number of kafkajs's messages whose repeats are counted separately. */
const MOST_TEXTS = 100;

/**
 * Forwards kafkajs's log lines as warnings. Its errors become warnings too: it retries most of them, and we report the outcome.
 * While a broker is unreachable kafkajs logs the same line several times a second, so repeats are only counted.
 */
function forwarding(to: Log | undefined): (entry: LogEntry) => void {
  const known = new Map<string, RepeatedFault>();
  return ({ namespace, log }) => {
    const { message, logger: _, timestamp: __, stack: ___, ...details } = log;
    if (to === undefined || message.startsWith(EXPECTED)) return;
    if (known.size >= MOST_TEXTS) known.clear();
    const fault = known.get(message) ?? repeatedFault(to, message, 'warn');
    known.set(message, fault);
    fault.failed(undefined, { namespace, details });
  };
}
