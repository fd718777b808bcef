/** The gaps that clients reported during a migration. The median keeps one lying client from deciding the figure. */
import { MAX_USERS_PER_VM } from '../events/bounds.ts';
import type { Data } from '../events/index.ts';
import type { Migration } from './context.ts';

export class ClientGaps {
  readonly #byMigration = new Map<string, Map<string, number>>();

  /**
   * Adds one report. After a restart the former median counts as the report of one user.
   * @returns the migration's gap in ms: the median of the worst gaps of all users, the lower one of two in the middle; null: none
   *
   * A gap counts only if it ended after the switch-over was ordered; an earlier one has another cause. No gap is longer than the
   * time since the move was ordered.
   */
  note(
    { id, acceptedAtMs, switchAtMs, clientGapMs }: Migration,
    { user, atMs, gapMs }: Data<'interruption.reported.v1'>,
    nowMs: number,
  ): number | null {
    const sinceOrderMs = Math.min(atMs, nowMs) - acceptedAtMs;
    if (switchAtMs === null || atMs < switchAtMs || gapMs === 0 || sinceOrderMs <= 0) return clientGapMs;
    let byUser = this.#byMigration.get(id);
    if (byUser === undefined) {
      byUser = new Map(clientGapMs === null ? [] : [['', clientGapMs]]);
      this.#byMigration.set(id, byUser);
    }
    if (byUser.has(user) || byUser.size <= MAX_USERS_PER_VM) {
      byUser.set(user, Math.max(Math.min(gapMs, sinceOrderMs), byUser.get(user) ?? 0));
    }
    const gaps = [...byUser.values()].sort((a, b) => a - b);
    return gaps[(gaps.length - 1) >> 1]!;
  }

  /** Drops the reports of a migration that has ended. */
  forget(migration: string): void {
    this.#byMigration.delete(migration);
  }
}
