/**
 * Mends a timer of kafkajs 2.2.4. Each of its connections asks once a millisecond, for as long as it lives, whether a
 * request may be sent, also where none waits; it asks for the timer with a negative time, so that Node 24 prints a
 * TimeoutNegativeWarning (reported in 2025, never mended: 2.2.4 is the last release). Only asked where requests wait, it
 * does the same, warns of nothing, and an idle connection costs nothing.
 */
import { createRequire } from 'node:module';

/** What the timer is about, of kafkajs/src/network/requestQueue. */
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
