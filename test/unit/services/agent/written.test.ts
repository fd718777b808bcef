import { expect, test } from 'vitest';
import { pieceBytes } from '#services/agent/written.ts';

test('written bytes are counted in clusters of 64 KiB, and in larger pieces for a disk of more than 131,072 clusters', () => {
  for (const diskBytes of [512, 32 * 2 ** 20, 2 ** 33]) expect(pieceBytes(diskBytes)).toBe(2 ** 16);
  expect(pieceBytes(2 ** 33 + 512)).toBe(2 ** 17);
  for (const diskBytes of [1e11, 1e12, 3e13]) {
    const pieces = diskBytes / pieceBytes(diskBytes);
    expect(pieces).toBeLessThanOrEqual(2 ** 17);
    expect(pieces).toBeGreaterThan(2 ** 16);
    // QEMU accepts powers of two only.
    expect(Math.log2(pieceBytes(diskBytes)) % 1).toBe(0);
  }
});
