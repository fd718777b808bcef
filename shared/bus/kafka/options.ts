import type { Log } from '../../log.ts';

/** What has to be known of a Kafka cluster to put a bus or a store on it. */
export interface KafkaOptions {
  /** `host:port` of some of the brokers; the others are learned from them. */
  readonly brokers: readonly string[];
  /** Begins the names of all topics and groups, so that installations can share a cluster. No slash. @default tagalong */
  readonly prefix?: string;
  /** Into how many partitions the topics are divided by key. Fixed when the topics are made. @default 16 */
  readonly partitions?: number;
  /** On how many brokers each topic lies when it is made. With 3, two of them have to have written. @default 3 */
  readonly replication?: number;
  /** How long events of VMs are kept, in milliseconds. @default 7 days */
  readonly retentionMs?: number;
  readonly sasl?: KafkaSasl;
  /** Absent: in the clear. */
  readonly tls?: KafkaTls;
  /** kafkajs's warnings and errors go here; absent: nowhere. */
  readonly log?: Log;
  readonly timing?: Partial<KafkaTiming>;
}

/** Who we are to the brokers. */
export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** Certificates and keys in PEM. */
export interface KafkaTls {
  /** Who signed the brokers' certificates. @default those that Node trusts */
  readonly ca?: string;
  /** Our own, where the brokers ask for one. */
  readonly cert?: string;
  readonly key?: string;
}

/** How quickly a group notices what happens to its members. All in milliseconds. */
export interface KafkaTiming {
  /** A member that says nothing for so long is taken to be dead. @default 10,000 */
  readonly sessionTimeoutMs: number;
  /** How often a member says that it lives, and so the longest it takes to learn of others. @default 500 */
  readonly heartbeatMs: number;
  /** How long those who come wait for a batch that is in hand, before its member is put out. @default 60,000 */
  readonly rebalanceTimeoutMs: number;
  /** Between two looks at what waits. @default 1,000 */
  readonly lagMs: number;
}

/** {@link KafkaOptions.timing} where nothing else is said. */
export const TIMING: KafkaTiming = {
  sessionTimeoutMs: 10_000,
  heartbeatMs: 500,
  rebalanceTimeoutMs: 60_000,
  lagMs: 1_000,
};
