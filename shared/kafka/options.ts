import type { Log } from '../log.ts';

/** The address of a Kafka cluster, and the settings of its clients. */
export interface KafkaOptions {
  /** `host:port` of some of the brokers, from which the client learns the others. */
  readonly brokers: readonly string[];
  /** The prefix of all topics and groups, so that installations can share a cluster. No slash. @default tagalong */
  readonly prefix?: string;
  /** The replicas of each new topic. With 3, a write is acknowledged when two have it. @default 3 */
  readonly replication?: number;
  readonly sasl?: KafkaSasl;
  /** Absent: connections are not encrypted. */
  readonly tls?: KafkaTls;
  /** Receives kafkajs's warnings and errors. @default none */
  readonly log?: Log;
  readonly timing?: Partial<KafkaTiming>;
}

/** Credentials. */
export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** Certificates and keys in PEM. */
export interface KafkaTls {
  /** The authority that signed the brokers' certificates. @default those that Node trusts */
  readonly ca?: string;
  /** Our own certificate, if the brokers require one. */
  readonly cert?: string;
  readonly key?: string;
}

/** The time-outs and intervals of a group, in milliseconds. */
export interface KafkaTiming {
  /** A member without a heartbeat for this long is dead. @default 10,000 */
  readonly sessionTimeoutMs: number;
  /** The interval of a member's heartbeats, by which it also learns of a rebalance. @default 500 */
  readonly heartbeatMs: number;
  /** How long a rebalance waits for a batch in hand before its member is removed from the group. @default 60,000 */
  readonly rebalanceTimeoutMs: number;
  /** The interval at which the lag is fetched. @default 1,000 */
  readonly lagMs: number;
}

/** The defaults of {@link KafkaOptions.timing}. */
export const TIMING: KafkaTiming = {
  sessionTimeoutMs: 10_000,
  heartbeatMs: 500,
  rebalanceTimeoutMs: 60_000,
  lagMs: 1_000,
};
