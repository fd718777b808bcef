/** Finds VMs that go to and fro, because of wrong settings of the policy or because their users do: each time costs a move. */

/** So far back a return counts. */
const WINDOW_MS = 3_600_000;
/** So many returns within the window make a VM flapping: once is a way home, twice is a pattern. */
const RETURNS = 2;

interface Stay {
  /** The site that was left, and when. */
  readonly site: string;
  readonly leftAtMs: number;
}

interface Trail {
  stays: Stay[];
  returnsAtMs: number[];
}

/** Remembers the moves of the last hour. */
export interface Flapping {
  /** A completed move. @returns true where it led back to a site that the VM had left within the last hour */
  moved(vm: string, from: string, to: string, atMs: number): boolean;
  /** VMs that came back twice or more within the hour before `nowMs`. */
  count(nowMs: number): number;
}

/** One trail for each VM that moved within the last hour; older ones are dropped at each count. */
export function flapping(): Flapping {
  const trails = new Map<string, Trail>();
  return {
    moved(vm, from, to, atMs) {
      const trail = trails.get(vm) ?? { stays: [], returnsAtMs: [] };
      trails.set(vm, trail);
      trail.stays = trail.stays.filter(({ leftAtMs }) => leftAtMs > atMs - WINDOW_MS);
      const isReturn = trail.stays.some(({ site }) => site === to);
      if (isReturn) trail.returnsAtMs.push(atMs);
      trail.stays.push({ site: from, leftAtMs: atMs });
      return isReturn;
    },
    count(nowMs) {
      let found = 0;
      for (const [vm, trail] of trails) {
        trail.returnsAtMs = trail.returnsAtMs.filter((atMs) => atMs > nowMs - WINDOW_MS);
        if (trail.stays.every(({ leftAtMs }) => leftAtMs <= nowMs - WINDOW_MS)) trails.delete(vm);
        if (trail.returnsAtMs.length >= RETURNS) found++;
      }
      return found;
    },
  };
}
