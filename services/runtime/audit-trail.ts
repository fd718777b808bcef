/** Publishes the records of the audit on the bus, beside the requests: no request waits for it, and none fails because of it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import type { RequestAudited } from '#shared/events/audit-type.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { auditQuota } from './audit-quota.ts';

/** The most records that wait for the bus. Further ones are lost for the bus; the log has them. */
const MOST_WAITING = 1_000;
const MOST_AT_ONCE = 100;
const AGAIN_MS = 1_000;
/** How long a process that stops waits until the bus has the last records. */
const STOP_WITHIN_MS = 2_000;
/** Another attempt would have the same end. */
const FINAL: readonly string[] = ['EVENT_INVALID', 'PAYLOAD_TOO_LARGE', 'BUS_CLOSED'];

/** The records of one process. */
export interface AuditTrail {
  /** Publishes a record soon. While the bus cannot be reached, it waits. */
  add(record: Omit<RequestAudited, 'atMs'>): void;
  /** The number of records that the bus never received. */
  readonly lost: number;
  /** Waits a moment for the last records, and takes no more. */
  stop(): Promise<void>;
}

/** Makes the trail of a process. */
export function createAuditTrail(parts: { readonly bus: Bus; readonly clock: Clock; readonly log: Log }): AuditTrail {
  const { bus, clock } = parts;
  const log = serviceLog(parts.log, 'audit');
  const trouble = repeatedFault(log, 'records of the audit wait for the bus', 'warn');
  // Records of two processes must have different ids.
  const beginning = randomUUID().slice(0, 8);
  const waiting: Event[] = [];
  let [made, lost] = [0, 0];
  let isSending = false;
  let isStopped = false;

  const publishSome = async () => {
    const batch = waiting.slice(0, MOST_AT_ONCE);
    try {
      await bus.publish(batch);
      trouble.succeeded();
    } catch (error) {
      const isFinal = error instanceof TagalongError && FINAL.includes(error.code);
      trouble.failed(error);
      if (!isFinal) return void (await sleep(AGAIN_MS, undefined, { ref: false }));
      lost += batch.length;
    }
    waiting.splice(0, batch.length);
  };
  const send = async () => {
    isSending = true;
    while (waiting.length > 0 && !isStopped) await publishSome();
    isSending = false;
  };
  const push = (data: RequestAudited) => {
    if (isStopped || waiting.length >= MOST_WAITING) {
      lost++;
      return;
    }
    waiting.push(envelop({ type: 'request.audited.v1', data }, `audit:${beginning}:${made++}`, '/tagalong/audit'));
    if (!isSending) void send();
  };
  const nowMs = () => Math.round(clock.now());
  const quota = auditQuota((left) => {
    push({ atMs: nowMs(), request: '', from: '', what: '', on: {}, with: {}, status: 0, ...left });
  });
  return {
    add(record) {
      if (quota.mayAdd(record)) push({ atMs: nowMs(), ...record });
    },
    get lost() {
      return lost;
    },
    async stop() {
      quota.close();
      await until(() => waiting.length === 0, { everyMs: 5, withinMs: STOP_WITHIN_MS });
      isStopped = true;
      lost += waiting.length;
    },
  };
}
