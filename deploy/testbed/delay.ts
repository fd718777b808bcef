/**
 * Cables whose packets take time and get lost: `netem` at both ends of the middle.
 *
 * ```
 *   site ── end0a ~~~~~ a ══ netem ══ b ~~~~~ end0b ── provider
 * ```
 *
 * The middle is in a namespace of its own where the host's kernel has `netem`, else in a kernel that runs as a process
 * (`uml.ts`). Either way two loose ends are there afterwards, to be moved to the namespaces that the cable connects;
 * they vanish with the middle.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { batch } from './batch.ts';
import { refuseWhereNoDelay } from './needs.ts';
import { delayLines, looseEnds } from './netem.ts';
import type { Impairment } from './topology.ts';
import { startUml } from './uml.ts';

/**
 * Makes the cables. Whatever is made ends with the namespace's processes and the namespace.
 * @param place a namespace with nothing in it, and a folder for what belongs to it
 * @returns to be called before the namespace is removed
 * @throws TagalongError TESTBED_MISSING where packets cannot be delayed here
 */
export async function makeCables(
  place: { readonly namespace: string; readonly folder: string },
  cables: readonly Impairment[],
): Promise<() => void> {
  if (!(await hostHasNetem())) {
    await refuseWhereNoDelay();
    return startUml(place, cables);
  }
  const { namespace } = place;
  const inner = (cable: number) => [`in${cable}a`, `in${cable}b`] as const;
  const ends = cables.flatMap((_, i) =>
    looseEnds(i).flatMap((end, k) => {
      const device = inner(i)[k]!;
      return [`link add ${end} type veth peer name ${device}`, `link set ${device} up`];
    }),
  );
  await batch(namespace, 'ip', ends);
  await batch(
    namespace,
    'tc',
    cables.flatMap((cable, i) => delayLines(inner(i), cable)),
  );
  return () => {};
}

/** Whether it can be had is only known by having it: as a module it is loaded by this. */
async function hostHasNetem(): Promise<boolean> {
  const tried = 'tc qdisc add dev lo root netem delay 1ms'.split(' ');
  return promisify(execFile)('unshare', ['--net', ...tried]).then(
    () => true,
    () => false,
  );
}
