/** Messages that foreign clients publish on the bus server of an installation. */
import { type Event, encode, partitionOf } from '#shared/events/index.ts';

/** A message as a foreign client may publish it. */
export interface Foreign {
  /** The type in the subject or in the header. */
  readonly type: string;
  /** Null: the message has no key. */
  readonly key: string | null;
  readonly partition: number;
  /** Null: the message has no value. */
  readonly value: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** The id by which the server deduplicates messages. */
  readonly id?: string;
}

/** Prefix of the ids of events that the installation did not publish. */
export const FOREIGN = 'foreign:';

/** Encodes an event as a bus with this number of partitions publishes it. */
export function asPublished(event: Event, partitions: number): Foreign {
  const { type, partitionkey: key } = event;
  return { type, key, partition: partitionOf(key, partitions), value: encode(event) };
}

/**
 * Makes late and invalid messages about the VM of a location event.
 * @param elsewhere the longitude in all of them; a service that accepted one would move the VM
 */
export function poison(
  last: Extract<Event, { type: 'location.reported.v1' }>,
  elsewhere: number,
  partitions: number,
): Foreign[] {
  const original = asPublished(last, partitions);
  const { vm, atMs: lastMs } = last.data;
  const later = lastMs + 1;
  const at = (atMs: number, change: object = {}) => ({
    ...{ ...last, id: `${FOREIGN}${vm}:${atMs}`, time: new Date(atMs).toISOString() },
    data: { ...last.data, atMs, lon: elsewhere, ...change },
  });
  const value = (content: unknown): Foreign => ({ ...original, value: JSON.stringify(content) });
  const { partitionkey: _, ...keyless } = at(later);
  return [
    value(at(lastMs - 1000)),
    value(at(later, { lat: 'north' })),
    value({ ...at(later), type: 'weather.reported.v9' }),
    { ...value({ ...at(later), type: 'weather.reported.v9' }), type: 'weather.reported.v9' },
    value(keyless),
    { ...value(keyless), key: null },
    { ...value(at(later)), partition: (original.partition + 1) % partitions },
    { ...original, value: 'not JSON' },
    { ...original, value: `{"huge": "${'x'.repeat(900_000)}` },
    value(at(later, { user: 'u'.repeat(900_000) })),
    { ...original, value: '' },
    { ...original, value: null },
    { ...original, type: 'site.reported.v1', value: 'not a site' },
    { ...original, type: 'event.rejected.v1', value: 'not a letter' },
  ];
}
