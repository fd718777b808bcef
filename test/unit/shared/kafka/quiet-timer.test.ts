import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import '#shared/kafka/quiet-timer.ts';

interface Queue {
  push(request: { entry: { correlationId: number }; expectResponse: boolean; sendRequest: () => void }): void;
  maybeThrottle(ms: number): void;
  checkPendingRequests(): void;
  destroy(): void;
}
const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as new (
  options: object,
) => Queue;

let queue: Queue;
beforeEach(() => {
  vi.useFakeTimers();
  const logger = { debug: () => {}, warn: () => {} };
  queue = new RequestQueue({ maxInFlightRequests: 1, requestTimeout: 1_000, clientId: 'c', broker: 'b', logger });
});
afterEach(() => {
  queue.destroy();
  vi.useRealTimers();
});

const push = (sendRequest: () => void) =>
  queue.push({ entry: { correlationId: 1 }, expectResponse: true, sendRequest });

test('a connection without waiting requests sets no timer', () => {
  push(() => {});
  queue.checkPendingRequests();
  expect(vi.getTimerCount()).toBe(0);
});

test('a request that the broker throttles is sent after the pause', () => {
  const sent = vi.fn();
  queue.maybeThrottle(500);
  push(sent);
  vi.advanceTimersByTime(490);
  expect(sent).not.toHaveBeenCalled();
  vi.advanceTimersByTime(30);
  expect(sent).toHaveBeenCalledOnce();
  expect(vi.getTimerCount()).toBe(0);
});
