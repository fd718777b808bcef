/**
 * Notifies other systems of moves. Each webhook has a consumer group of its own, so that one without an answer delays no other.
 * A notification that fails is sent again for some seconds, and then as often as the bus delivers its event again. After
 * that the event is a dead letter, which an operator replays. A refusal (a status of 400 to 499) ends the sending at once.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { notificationOf, TOLD } from './mec021.ts';

export interface Webhooks {
  start(): Promise<void>;
  stop(): Promise<void>;
}

type Webhook = Config['webhooks'][number];

const TIMEOUT_MS = 5_000;
/** The pauses between attempts. */
const PAUSES_MS = [250, 1_000, 4_000];
/** Temporary refusals: the notification is sent again. */
const LATER = [408, 425, 429];

export function createWebhooks(options: {
  readonly bus: Bus;
  readonly webhooks: readonly Webhook[];
  readonly log: Log;
}): Webhooks {
  const { bus, webhooks } = options;
  const log = serviceLog(options.log, 'webhook');
  const types: readonly string[] = TOLD;
  let subscriptions: Subscription[] = [];
  let stopped = new AbortController();

  const listen = (webhook: Webhook) =>
    bus.subscribe({ group: `webhook-${webhook.name}`, types: TOLD }, async (batch) => {
      for (const { event } of batch) {
        if (!types.includes(event.type)) continue;
        const body = notificationOf(event as Parameters<typeof notificationOf>[0]);
        await tellPatiently(webhook, body, stopped.signal).catch((error: Error) => {
          log.warn({ webhook: webhook.name, why: error.message }, 'a move was not told');
          throw error;
        });
      }
    });

  return {
    async start() {
      stopped = new AbortController();
      subscriptions = await Promise.all(webhooks.map(listen));
    },
    async stop() {
      stopped.abort();
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
      subscriptions = [];
    },
  };
}

/** @throws TagalongError WEBHOOK_FAILED; an AbortError where `stopped` aborted a pause */
async function tellPatiently(webhook: Webhook, body: object, stopped: AbortSignal): Promise<void> {
  // Not `retry`: the pauses grow, and a stop ends a pause at once.
  for (const pauseMs of [...PAUSES_MS, undefined]) {
    const refusal = await tell(webhook, body);
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

async function tell({ url, token }: Webhook, body: object): Promise<Refusal | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
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
