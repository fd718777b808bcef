/**
 * Tracks the writes of a VM since its disk was equal to the copy that a site keeps. QEMU records them in a dirty bitmap for each such
 * site (QEMU's docs/interop/bitmaps.rst), named after the site and the token of the receiver to which the VM left it. The bitmap
 * begins before the VM runs at its new site, moves along with the VM, and ends with its QEMU. So a bitmap of that name has every
 * write since then.
 */
import { type Qmp, QmpError } from './qmp.ts';

/** The top node, whatever layers are below it. */
const NODE = 'disk0';

/** A dirty bitmap as QEMU describes it. */
interface Bitmap {
  readonly name: string;
  readonly granularity: number;
  readonly recording: boolean;
  readonly busy: boolean;
  readonly inconsistent?: boolean;
}

/** The smallest piece: a cluster of the image. */
const LEAST_BYTES = 2 ** 16;
/** Bitmaps are sent while the VM stands still, and QEMU counts each piece as a byte that remains to be sent. */
const MOST_PIECES = 2 ** 17;

/** The size of a piece for a disk of that size, in bytes: a power of two; 64 KiB for disks up to 8 GiB. */
export function pieceBytes(diskBytes: number): number {
  return Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(diskBytes / MOST_PIECES)));
}

/** Sends the bitmaps along with the memory. Both ends have to set it, before the memory is copied. */
export async function carryCounts(qmp: Qmp): Promise<void> {
  await qmp.execute('migrate-set-capabilities', { capabilities: [{ capability: 'dirty-bitmaps', state: true }] });
}

/** Begins a bitmap in a QEMU whose VM does not run yet; one that is there goes on. @param site that keeps a copy of the disk */
export async function countWrites(qmp: Qmp, site: string, token: string, diskBytes: number): Promise<void> {
  if (diskBytes === 0) return;
  const bitmap = { node: NODE, name: nameOf(site, token), granularity: pieceBytes(diskBytes) };
  await qmp.execute('block-dirty-bitmap-add', bitmap).catch((error) => {
    // Without a bitmap the whole disk is copied when the VM returns. That must not keep the VM from running.
    if (!(error instanceof QmpError)) throw error;
  });
}

/** The bitmap of what was written since that site handed the VM over; undefined where that is not known. */
export async function writtenSince(qmp: Qmp, site: string, token: string): Promise<Bitmap | undefined> {
  const bitmap = (await bitmaps(qmp)).find(({ name }) => name === nameOf(site, token));
  return bitmap?.recording && !bitmap.busy && !bitmap.inconsistent ? bitmap : undefined;
}

/**
 * Removes bitmaps that match no kept disk any more: the disk that `here` kept is used up, the last one of `from` has `token`.
 * Does nothing where QEMU is gone or silent: such a bitmap is never used.
 */
export async function forgetCounts(qmp: Qmp | undefined, here: string, from: string, token: string): Promise<void> {
  if (!qmp?.isOpen) return;
  for (const { name } of await bitmaps(qmp).catch(() => [])) {
    const site = name.slice(0, name.indexOf('/'));
    const isPast = site === here || (site === from && name !== nameOf(from, token));
    if (isPast) await qmp.execute('block-dirty-bitmap-remove', { node: NODE, name }).catch(() => {});
  }
}

/** How many bytes of QEMU's `remaining` are bitmaps. They are sent last, so `remaining` is never less. */
export async function countedPieces(qmp: Qmp): Promise<number> {
  const top = await topNode(qmp);
  const pieces = (top?.['dirty-bitmaps'] ?? []).map((each) => Math.ceil(top!.image['virtual-size'] / each.granularity));
  return pieces.reduce((sum, each) => sum + each, 0);
}

/** A site's name and a token have no slash. */
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
