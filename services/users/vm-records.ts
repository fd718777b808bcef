/** Has placement remove a user from its VMs: placement alone writes their records. */
import { randomUUID } from 'node:crypto';
import type { Bus } from '#shared/bus/bus.ts';
import { until } from '#shared/clock/retry.ts';
import { envelop } from '#shared/events/index.ts';

/** After this time the notice is published again: a placement that starts misses it. */
const AGAIN_MS = 2_000;
const TRIES = 3;
const LOOK_MS = 50;

/**
 * Publishes that the users are erased until no record of a VM names them. Dashboards receive this, too.
 * @param named returns the records that name the users: of all, or of those with these keys
 * @returns how many records name them no more; others do if no placement answers
 */
export async function forgetInVms(
  { bus, nowMs }: { readonly bus: Bus; readonly nowMs: () => number },
  users: readonly string[],
  named: (keys?: readonly string[]) => Promise<readonly { readonly key: string }[]>,
): Promise<number> {
  const keys = (await named()).map(({ key }) => key);
  for (let tries = 0; tries < TRIES; tries++) {
    const atMs = Math.round(nowMs());
    const notices = users.map((user) =>
      envelop({ type: 'user.erased.v1', data: { user, atMs } }, `erased:${user}:${randomUUID()}`, '/tagalong/ingest'),
    );
    await bus.publish(notices);
    const limits = { everyMs: LOOK_MS, withinMs: AGAIN_MS };
    const isDone = await until(async () => (await named(keys)).length === 0, limits);
    if (isDone) return keys.length;
  }
  return keys.length - (await named(keys)).length;
}
