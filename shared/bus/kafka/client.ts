/** How we speak to a Kafka cluster: one configuration of kafkajs for bus and store, its log in ours, its errors as ours. */
import { type Admin, Kafka, type KafkaConfig, type LogEntry, logLevel } from 'kafkajs';
import { ConnectionWatch } from '../../connection/watch.ts';
import { type ErrorCode, TagalongError } from '../../errors.ts';
import { type Log, serviceLog } from '../../log.ts';
import { type RepeatedFault, repeatedFault } from '../../log-repeats.ts';
import { countLogged, type KafkaCounters, kafkaCounters } from './counters.ts';
import { type KafkaOptions, type KafkaTiming, TIMING } from './options.ts';
import './quiet-timer.ts';

/**
 * How often a request is tried again, and after how long: a broker that is away for half a minute is waited for, and is
 * found within a second when it is back. kafkajs nests its retries, and gives up as soon as the innermost has.
 */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, retries: 30 };
/** For the first connection some seconds: whoever starts is to learn soon that the address is wrong. */
const FIRST_RETRY = { ...RETRY, retries: 5 };
const CONNECT_TIMEOUT_MS = 5_000;

/** A cluster as one bus or one store of this process speaks to it. */
export interface KafkaClient {
  readonly prefix: string;
  readonly brokers: readonly string[];
  readonly timing: KafkaTiming;
  readonly log: Log | undefined;
  readonly counters: KafkaCounters;
  readonly admin: Admin;
  /**
   * A new kafkajs client. Each consumer needs one of its own: those of one client share what they take for committed,
   * and two members of one group would clear it for each other.
   */
  kafka(): Kafka;
  close(): Promise<void>;
}

/** Watches whether topics can be used: a broker answers, and each of their partitions has a leader. */
export function watchTopics(client: KafkaClient, what: 'bus' | 'store', topics: readonly string[]): ConnectionWatch {
  return new ConnectionWatch({
    what,
    log: client.log,
    where: () => client.brokers.join(', '),
    ask: () => client.admin.fetchTopicMetadata({ topics: [...topics] }),
    reasonOf: (error) => (error as { type?: string }).type ?? 'no broker answers',
  });
}

/** @throws TagalongError BUS_UNREACHABLE or STORE_UNREACHABLE, as `code` says */
export async function connectKafka(options: KafkaOptions, code: ErrorCode): Promise<KafkaClient> {
  const counters = kafkaCounters();
  const config = configOf(options, counters);
  const first = new Kafka({ ...config, retry: FIRST_RETRY }).admin();
  const admin = new Kafka(config).admin();
  try {
    await first.connect();
    await admin.connect();
  } catch (cause) {
    throw unreachable(code, `no broker at ${options.brokers.join(', ')} could be spoken to`, cause);
  } finally {
    await first.disconnect().catch(() => {});
  }
  return {
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

/** An error of kafkajs, as one that says what could not be done. Where the brokers refused who we are, it says so. */
export function unreachable(code: ErrorCode, what: string, cause: unknown): TagalongError {
  const { message } = cause as Error;
  const refused = (cause as Error).name === 'KafkaJSSASLAuthenticationError' || /SASL/.test(message);
  const hint = refused ? 'check user, password and mechanism' : 'check that the brokers run and can be reached';
  return new TagalongError(code, `${what}: ${message}; ${hint}`, { cause });
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

/** Said of each producer that does not try for ever; ours is thrown away when it has given up. */
const EXPECTED = 'Limiting retries for the idempotent producer';

/** So many different texts of kafkajs are told apart. */
const MOST_TEXTS = 100;

/**
 * kafkajs calls an error what it then tries again; what comes of it we say ourselves, so all of it is a warning. It says the
 * same several times a second while a broker is away.
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
