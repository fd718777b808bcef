/**
 * Cables with delay and loss: `netem` at both ends of the middle.
 *
 * ```
 *   site ── end0a ~~~~~ a ══ netem ══ b ~~~~~ end0b ── provider
 * ```
 *
 * The middle is in a namespace of its own if the host's kernel has `netem`, else in a kernel that runs as a process
 * (`uml.ts`). Both leave two loose ends, which the caller moves to the namespaces that the cable connects. The ends
 * vanish with the middle.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { batch } from './batch.ts';
import { refuseWhereNoDelay } from './needs.ts';
import { delayLines, looseEnds } from './netem.ts';
import type { Impairment } from './topology.ts';
import { startUml } from './uml.ts';

/**
 * Creates the cables. They vanish with the namespace and its processes.
 * @param place an empty namespace, and a folder for its files
 * @returns a function to call before the namespace is removed
 * @throws TagalongError TESTBED_MISSING if the host cannot delay packets
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

/** Tries to use netem: this loads the module if netem is one, and is the only way to learn whether the kernel has it. */
async function hostHasNetem(): Promise<boolean> {
  const tried = 'tc qdisc add dev lo root netem delay 1ms'.split(' ');
  return promisify(execFile)('unshare', ['--net', ...tried]).then(
    () => true,
    () => false,
  );
}
