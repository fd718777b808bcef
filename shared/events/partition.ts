/**
 * The partition of a key: FNV-1a (32 bits) modulo the number of partitions. The `partition(n, token)` mapping of nats-server is the same
 * function, so a key has the same partition on every bus. Another number of partitions assigns keys to other partitions, so an
 * installation never changes it.
 */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    // The schema allows only ASCII in names. The servers hash other text by its UTF-8 bytes, too.
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
