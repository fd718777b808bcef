/**
 * Notifies other systems of moves. Each webhook has a consumer group of its own, so that one without an answer delays no other.
 * A notification that fails is sent again for some seconds, and then as often as the bus delivers its event again. After
 * that the event is a dead letter, which an operator replays. A refusal (a status of 400 to 499) ends the sending at once. Events of moves
 * that placement did not order are not told. An event whose move no record proves any more becomes a dead letter.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import { originalId } from '#shared/bus/dead-letter.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Event } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { RecentMap } from '#shared/recent.ts';
import type { Store } from '#shared/store/store.ts';
import { moveCheck } from '../runtime/move-check.ts';
import { isTold, notificationOf, TOLD, type Told } from './mec021.ts';
import { signatureHeaders } from './signature.ts';

/** The running webhooks. */
export interface Webhooks {
  /** Events that no webhook was told, because placement did not order such a move; counted once for each webhook. */
  readonly refused: number;
  start(): Promise<void>;
  stop(): Promise<void>;
}

type Webhook = Config['webhooks'][number];

const TIMEOUT_MS = 5_000;
/** The pauses between attempts. */
const PAUSES_MS = [250, 1_000, 4_000];
/** Temporary refusals: the notification is sent again. */
const LATER = [408, 425, 429];
/** A notification that failed is sent again before this many others. */
const REMEMBERED = 10_000;

/** The parts that webhooks use. */
export interface WebhooksOptions {
  readonly bus: Bus;
  /** Has the records of placement and of the migrator. */
  readonly store: Store;
  readonly clock: Clock;
  readonly config: Pick<Config, 'webhooks' | 'bus'>;
  readonly log: Log;
}

/** Makes the webhooks of the configuration. */
export function createWebhooks({ bus, store, clock, config, log: parent }: WebhooksOptions): Webhooks {
  const log = serviceLog(parent, 'webhook');
  const hooks = config.webhooks.map((webhook) => ({
    webhook,
    // Each webhook gets the events in an order of its own, and the end of a move is admitted once.
    check: moveCheck({ store, clock, log, partitions: config.bus.partitions, unproven: 'throw' }),
    admitted: new RecentMap<Told>(REMEMBERED),
  }));
  let subscriptions: Subscription[] = [];
  let stopped = new AbortController();

  const listen = ({ webhook, check, admitted }: (typeof hooks)[number]) => {
    /** An event that was admitted before and comes again was not told yet: its delivery failed, or an operator replays it. */
    const admits = async (event: Told): Promise<boolean> => {
      const id = originalId(event.id);
      const before = admitted.get(id);
      if (before !== undefined && before.type === event.type && isDeepStrictEqual(before.data, event.data)) return true;
      if (!(await check.admits(event))) return false;
      admitted.set(id, event);
      return true;
    };
    const tell = async (event: Event) => {
      if (!isTold(event)) return void (await check.admits(event));
      if (!(await admits(event))) return;
      const told = { id: originalId(event.id), body: JSON.stringify(notificationOf(event)), nowMs: () => clock.now() };
      await tellPatiently(webhook, told, stopped.signal).catch((error: Error) => {
        log.warn({ webhook: webhook.name, why: error.message }, 'a move was not told');
        throw error;
      });
    };
    const types = ['placement.decided.v1', ...TOLD] as const;
    return bus.subscribe({ group: `webhook-${webhook.name}`, types }, async (batch) => {
      for (const { event } of batch) await tell(event);
    });
  };

  return {
    get refused() {
      return hooks.reduce((sum, { check }) => sum + check.refused, 0);
    },
    async start() {
      stopped = new AbortController();
      subscriptions = await Promise.all(hooks.map(listen));
    },
    async stop() {
      stopped.abort();
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
      subscriptions = [];
    },
  };
}

/** A notification as it is sent. */
interface Notification {
  /** The same for each attempt. */
  readonly id: string;
  readonly body: string;
  readonly nowMs: () => number;
}

/** @throws TagalongError WEBHOOK_FAILED; an AbortError where `stopped` aborted a pause */
async function tellPatiently(webhook: Webhook, told: Notification, stopped: AbortSignal): Promise<void> {
  // Not `retry`: the pauses grow, and a stop ends a pause at once.
  for (const pauseMs of [...PAUSES_MS, undefined]) {
    const refusal = await tell(webhook, told);
    if (refusal === undefined) return;
    const { why, isFinal, cause } = refusal;
    if (isFinal || pauseMs === undefined) {
      const message = `webhook ${webhook.name}: ${why}; the receiver has to answer with a status from 200 to 299`;
      throw new TagalongError('WEBHOOK_FAILED', message, { cause });
    }
    await pause(pauseMs, undefined, { signal: stopped });
  }
}

/** Why it was not taken; the address may hold a secret and is not in it. */
interface Refusal {
  readonly why: string;
  readonly isFinal: boolean;
  readonly cause?: unknown;
}

async function tell({ url, token, signingKey }: Webhook, told: Notification): Promise<Refusal | undefined> {
  const { id, body, nowMs } = told;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
        ...(signingKey && signatureHeaders(signingKey, id, nowMs(), body)),
      },
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    });
    await response.body?.cancel();
    const { ok, status } = response;
    if (ok) return undefined;
    return {
      why: `the receiver answered ${status}`,
      isFinal: status >= 400 && status < 500 && !LATER.includes(status),
    };
  } catch (cause) {
    const isLate = (cause as Error).name === 'TimeoutError';
    return { why: isLate ? `no answer within ${TIMEOUT_MS / 1000} s` : 'no server answers', isFinal: false, cause };
  }
}
