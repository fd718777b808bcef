/** Records the location events of a live system as a trace for replay and simulation. */
import { randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';
import { createPseudonyms } from '#services/ingest/pseudonym.ts';
import type { Bus, Delivery } from '#shared/bus/bus.ts';
import { RecentIds } from '#shared/bus/recent-ids.ts';
import { type Data, type Event, encode, envelop } from '#shared/events/index.ts';

/** A running recording. */
export interface Recording {
  /** Counts of what has been written so far. */
  readonly counts: { readonly locations: number; readonly users: number; readonly vms: number };
  /** Writes the present batch, and ends the recording. The stream stays open. */
  stop(): Promise<void>;
}

/** The parts that the recorder uses. */
export interface RecorderOptions {
  readonly bus: Bus;
  /** The output, one event on each line. */
  readonly out: Writable;
  /** True: the bus carries pseudonyms. False: the recorder makes pseudonyms with a random key, which is not stored. */
  readonly pseudonymous: boolean;
}

/**
 * Starts to record every `location.reported.v1` from now on. Its consumer group is temporary: the bus keeps no events for it after the
 * end.
 * @throws TagalongError the errors of `Bus.subscribe`
 */
export async function record({ bus, out, pseudonymous }: RecorderOptions): Promise<Recording> {
  const counts = { locations: 0, users: 0, vms: 0 };
  const users = new Set<string>();
  const vms = new Set<string>();
  const known = new RecentIds();
  const disguised = pseudonymous ? (event: Event) => event : disguise();
  const subscription = await bus.subscribe(
    { group: 'recorder', types: ['location.reported.v1'], latest: true },
    async (batch: readonly Delivery[]) => {
      // A redelivered batch may contain events that have already been written.
      const news = batch.flatMap(({ event }) => (isLocation(event) && known.add(event.id) ? [disguised(event)] : []));
      for (const { data } of news as { data: Data<'location.reported.v1'> }[]) {
        users.add(data.user);
        vms.add(data.vm);
      }
      Object.assign(counts, { locations: counts.locations + news.length, users: users.size, vms: vms.size });
      await written(out, news.map((event) => `${encode(event)}\n`).join(''));
    },
  );
  return { counts, stop: () => subscription.stop() };
}

function isLocation(event: Event): event is Extract<Event, { type: 'location.reported.v1' }> {
  return event.type === 'location.reported.v1';
}

/** Replaces users, and VMs, which may be named after them, by pseudonyms that nobody can trace back. */
function disguise(): (event: Event) => Event {
  const pseudonymOf = createPseudonyms(randomBytes(32).toString('hex'));
  let written = 0;
  return (event) => {
    if (!isLocation(event)) return event;
    const { user, vm, ...rest } = event.data;
    const data = { ...rest, user: pseudonymOf(user), vm: `vm-${pseudonymOf(vm)}` };
    // The original id contains user and VM.
    return envelop({ type: event.type, data }, `recorded-${++written}`, event.source);
  };
}

async function written(out: Writable, text: string): Promise<void> {
  if (text === '') return;
  await new Promise<void>((resolve, reject) => {
    out.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
