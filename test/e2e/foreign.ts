/** Messages of others on the wire of an installation. */
import { type Event, encode, partitionOf } from '#shared/events/index.ts';

/** A message as somebody else may put it on the wire. */
export interface Foreign {
  /** The type that its subject or its header says. */
  readonly type: string;
  /** Null: none. */
  readonly key: string | null;
  readonly partition: number;
  /** Null: nothing. */
  readonly value: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** The id by which a server may know repeats. */
  readonly id?: string;
}

/** Begins the ids of events that nobody of the installation has said. */
export const FOREIGN = 'foreign:';

/** An event as a bus of so many partitions puts it on the wire. */
export function asItIs(event: Event, partitions: number): Foreign {
  const { type, partitionkey: key } = event;
  return { type, key, partition: partitionOf(key, partitions), value: encode(event) };
}

/**
 * Something late, and what nobody can read, of the VM that a position was of.
 * @param elsewhere the longitude of all of it: whoever believed it would move the VM
 */
export function poison(
  last: Extract<Event, { type: 'location.reported.v1' }>,
  elsewhere: number,
  partitions: number,
): Foreign[] {
  const plain = asItIs(last, partitions);
  const { vm, atMs: lastMs } = last.data;
  const later = lastMs + 1;
  const at = (atMs: number, change: object = {}) => ({
    ...{ ...last, id: `${FOREIGN}${vm}:${atMs}`, time: new Date(atMs).toISOString() },
    data: { ...last.data, atMs, lon: elsewhere, ...change },
  });
  const value = (content: unknown): Foreign => ({ ...plain, value: JSON.stringify(content) });
  const { partitionkey: _, ...keyless } = at(later);
  return [
    value(at(lastMs - 1000)),
    value(at(later, { lat: 'north' })),
    value({ ...at(later), type: 'weather.reported.v9' }),
    { ...value({ ...at(later), type: 'weather.reported.v9' }), type: 'weather.reported.v9' },
    value(keyless),
    { ...value(keyless), key: null },
    { ...value(at(later)), partition: (plain.partition + 1) % partitions },
    { ...plain, value: 'not JSON' },
    { ...plain, value: `{"huge": "${'x'.repeat(900_000)}` },
    value(at(later, { user: 'u'.repeat(900_000) })),
    { ...plain, value: '' },
    { ...plain, value: null },
    { ...plain, type: 'site.reported.v1', value: 'not a site' },
    { ...plain, type: 'event.rejected.v1', value: 'not a letter' },
  ];
}
