/**
 * Patches a timer of kafkajs 2.2.4, its last release. Each connection checks once a millisecond whether it may send a request,
 * even if no request waits. It sets the timer to a negative time, and Node 24 prints a TimeoutNegativeWarning. With this patch a
 * connection checks only while requests wait. So Node prints no warning, and an idle connection costs no time.
 */
import { createRequire } from 'node:module';

/** The part of kafkajs/src/network/requestQueue that the timer uses. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
}

/** kafkajs's own CHECK_PENDING_REQUESTS_INTERVAL. */
const LEAST_WAIT_MS = 10;

const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as {
  prototype: RequestQueue & { scheduleCheckPendingRequests: (this: RequestQueue) => void };
};

prototype.scheduleCheckPendingRequests = function () {
  if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return;
  const waitMs = Math.max(LEAST_WAIT_MS, this.throttledUntil - Date.now());
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, waitMs);
};
