/** The gaps that clients of one VM saw during its migration: what one of them says must not be what counts. */
import { MAX_USERS_PER_VM } from '../events/bounds.ts';
import type { Data } from '../events/index.ts';
import type { Migration } from './machine.ts';

export class ClientGaps {
  readonly #byMigration = new Map<string, Map<string, number>>();

  /**
   * Takes one report in, and says what the migration's gap is by now: the median of what the users saw, each at the worst, the
   * lower one of two in the middle. After a restart it begins with what it was before, as if one user had said that.
   *
   * A gap belongs to the migration that was switching over, or had, when it ended; any other has another cause. None is longer
   * than the time since the move was ordered.
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

  /** A migration has ended. */
  forget(migration: string): void {
    this.#byMigration.delete(migration);
  }
}
