/**
 * Which partition a key belongs to: FNV-1a, 32 bits, modulo the number of partitions. The same function as
 * nats-server's `partition(n, token)` mapping, so a key lands on the same partition on every bus.
 * Changing the number of partitions moves keys: it is fixed when an installation begins.
 */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    // Names are ASCII by schema; other text is hashed by its UTF-8 bytes, as the servers do.
    if (unit > 0x7f) return partitionOfBytes(new TextEncoder().encode(key), partitions);
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return (hash >>> 0) % partitions;
}

function partitionOfBytes(bytes: Uint8Array, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % partitions;
}
