/** The options of a bus on Kafka. */
import type { KafkaOptions } from '../../kafka/options.ts';

/** A bus on Kafka. */
export interface KafkaBusOptions extends KafkaOptions {
  /** Into how many partitions the topics are divided by key. Fixed when the topics are made. @default 16 */
  readonly partitions?: number;
  /** How long events of VMs are kept, in milliseconds. @default 7 days */
  readonly retentionMs?: number;
  /** How long records of the audit are kept, in milliseconds. @default 90 days */
  readonly auditRetentionMs?: number;
  /** How long positions of users are kept, in milliseconds; brokers delete them up to a fifth later. @default 1 hour */
  readonly locationRetentionMs?: number;
}
