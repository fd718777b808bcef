/** Finds VMs that move to and fro, because their users do or because the settings of the policy are wrong. */

/** How long a return counts. */
const WINDOW_MS = 3_600_000;
/** With this many returns within the window, a VM is flapping. One return may be a user's way home, two are a pattern. */
const RETURNS = 2;

interface Stay {
  /** The site that the VM left, and when. */
  readonly site: string;
  readonly leftAtMs: number;
}

interface Trail {
  stays: Stay[];
  returnsAtMs: number[];
}

/** Remembers the moves of the last hour. */
export interface Flapping {
  /** Records a completed move. @returns true if the VM has returned to a site that it had left within the last hour */
  moved(vm: string, from: string, to: string, atMs: number): boolean;
  /** The number of VMs that returned at least twice within the hour before `nowMs`. */
  count(nowMs: number): number;
}

/** Makes the memory of moves. It holds the VMs that moved within the last hour; each count drops the others. */
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
