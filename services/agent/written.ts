/**
 * What a VM has written since its disk was equal to the copy that a site has kept of it. QEMU counts it, in a dirty bitmap
 * for each such site, named after the site and the token of the landing by which the VM left it. It begins before the VM
 * runs where it has landed, goes along with the VM, and ends with its QEMU: where there is one of that name, not a write
 * since then is missing in it.
 */
import { type Qmp, QmpError } from './qmp.ts';

/** The node at the top, whatever layers there are below it. */
const NODE = 'disk0';

/** As QEMU tells it. */
interface Bitmap {
  readonly name: string;
  readonly granularity: number;
  readonly recording: boolean;
  readonly busy: boolean;
  readonly inconsistent?: boolean;
}

/** Of the smallest piece that is counted as one: a cluster of the image. */
const LEAST_BYTES = 2 ** 16;
/** Bitmaps are sent while the VM stands still, and QEMU holds a piece for a byte of what is left to be sent. */
const MOST_PIECES = 2 ** 17;

/** How large the pieces are that are counted, for a disk of that size: a power of two, 64 KiB up to 8 GiB. */
export function pieceBytes(diskBytes: number): number {
  return Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(diskBytes / MOST_PIECES)));
}

/** Has the bitmaps go along with the memory; both ends have to. Not while memory is copied. */
export async function carryCounts(qmp: Qmp): Promise<void> {
  await qmp.execute('migrate-set-capabilities', { capabilities: [{ capability: 'dirty-bitmaps', state: true }] });
}

/** Begins to count, in a QEMU whose VM does not run yet. Where that was done already, it goes on. */
export async function countWrites(qmp: Qmp, site: string, token: string, diskBytes: number): Promise<void> {
  if (diskBytes === 0) return;
  const bitmap = { node: NODE, name: nameOf(site, token), granularity: pieceBytes(diskBytes) };
  await qmp.execute('block-dirty-bitmap-add', bitmap).catch((error) => {
    // Without one the disk is copied whole when it returns: no reason to keep the VM from running.
    if (!(error instanceof QmpError)) throw error;
  });
}

/** The bitmap of what was written since that hand-over by that site; undefined where it is not known. */
export async function writtenSince(qmp: Qmp, site: string, token: string): Promise<Bitmap | undefined> {
  const bitmap = (await bitmaps(qmp)).find(({ name }) => name === nameOf(site, token));
  return bitmap?.recording && !bitmap.busy && !bitmap.inconsistent ? bitmap : undefined;
}

/**
 * Forgets what no site's copy can be of any more: what `here` kept has been used up, the last of `from` is by `token`.
 * What is not forgotten, because QEMU is no more or does not answer, is never asked for.
 */
export async function forgetCounts(qmp: Qmp | undefined, here: string, from: string, token: string): Promise<void> {
  if (!qmp?.isOpen) return;
  for (const { name } of await bitmaps(qmp).catch(() => [])) {
    const site = name.slice(0, name.indexOf('/'));
    const isPast = site === here || (site === from && name !== nameOf(from, token));
    if (isPast) await qmp.execute('block-dirty-bitmap-remove', { node: NODE, name }).catch(() => {});
  }
}

/** How many bytes QEMU holds the bitmaps for, in what it says is left to be sent: they go last, so that is never less. */
export async function countedPieces(qmp: Qmp): Promise<number> {
  const top = await topNode(qmp);
  const pieces = (top?.['dirty-bitmaps'] ?? []).map((each) => Math.ceil(top!.image['virtual-size'] / each.granularity));
  return pieces.reduce((sum, each) => sum + each, 0);
}

/** Neither has a slash in it. */
function nameOf(site: string, token: string): string {
  return `${site}/${token}`;
}

interface BlockNode {
  readonly 'node-name': string;
  readonly 'dirty-bitmaps'?: readonly Bitmap[];
  readonly image: { readonly 'virtual-size': number };
}

async function topNode(qmp: Qmp): Promise<BlockNode | undefined> {
  const nodes = await qmp.execute<BlockNode[]>('query-named-block-nodes', { flat: true });
  return nodes.find((node) => node['node-name'] === NODE);
}

async function bitmaps(qmp: Qmp): Promise<readonly Bitmap[]> {
  return (await topNode(qmp))?.['dirty-bitmaps'] ?? [];
}
