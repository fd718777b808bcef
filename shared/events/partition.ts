/**
 * The part of a name that decides its partition: the part before the first `::`, or all of it. So `shop::web` and `shop::db` are on one
 * partition. Only VMs with the same part can be related to each other (`shared/policy/AFFINITY.md`).
 */
export function partitionKeyOf(name: string): string {
  const end = name.indexOf('::');
  return end === -1 ? name : name.slice(0, end);
}

/**
 * The partition of a key: the hash of its partition key modulo the number of partitions. Another number of partitions assigns keys to
 * other partitions, so an installation never changes it.
 */
export function partitionOf(key: string, partitions: number): number {
  return hashOf(partitionKeyOf(key), partitions);
}

/** FNV-1a (32 bits) modulo `buckets`. The `partition(n, token)` mapping of nats-server is the same function. */
export function hashOf(text: string, buckets: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // The schema allows only ASCII in names. The servers hash other text by its UTF-8 bytes, too.
    if (unit > 0x7f) return hashOfBytes(new TextEncoder().encode(text), buckets);
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return (hash >>> 0) % buckets;
}

function hashOfBytes(bytes: Uint8Array, buckets: number): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % buckets;
}
