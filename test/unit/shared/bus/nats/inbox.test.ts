import { expect, test } from 'vitest';
import { Inbox } from '#shared/bus/nats/inbox.ts';
import { namesOf } from '#shared/bus/nats/names.ts';
import { type Event, encode } from '#shared/events/index.ts';
import { natsCounters } from '#shared/nats/counters.ts';
import { locationOf, Recorder, siteOf } from '../../../../contract/bus-events.ts';

const names = namesOf('t', 1);

/** Creates an inbox for locations, and records its deliveries and acknowledgements. */
function locations() {
  const seen = new Recorder();
  const acknowledged: string[] = [];
  const inbox = new Inbox({
    group: 'g',
    partition: 0,
    types: new Set(['location.reported.v1']),
    names,
    handler: seen.handler,
    counters: natsCounters(),
    publish: async () => {},
    acknowledge: (reply) => acknowledged.push(reply),
  });
  const receive = (seq: number, event: Event, consumer: string) =>
    inbox.receive({
      subject: names.subject(event),
      data: new TextEncoder().encode(encode(event)),
      seq,
      atMs: 1_000 + seq,
      pending: 0,
      reply: `${consumer}.${seq}`,
    });
  return { inbox, seen, acknowledged, receive };
}

test('delivers an event that arrives again after a restart, also if later ones arrived before', async () => {
  const { inbox, seen, acknowledged, receive } = locations();
  const place = { from: 1, refusals: 0, refusedTo: 0 };
  inbox.restart(place);
  receive(1, locationOf('vm-1', 1), 'old');
  receive(2, locationOf('vm-1', 2), 'old');
  receive(3, siteOf('site-1', 1), 'old');
  inbox.restart(place);
  receive(1, locationOf('vm-1', 1), 'new');
  await inbox.deliver();
  receive(2, locationOf('vm-1', 2), 'new');
  await inbox.deliver();
  expect(seen.of('vm-1')).toEqual([1, 2]);
  expect(acknowledged).toEqual(['new.1', 'new.2']);
  expect(inbox.reached).toEqual({ from: 3, handledMs: 1_002, refusals: 0, refusedTo: 0 });
});

test('takes the offset of another member, and not its name', () => {
  const { inbox } = locations();
  const reached = { from: 7, handledMs: 1_006, refusals: 2, refusedTo: 9 };
  inbox.restart({ ...reached, ...{ owner: 'another', consumer: 'its own', deaths: 1 } });
  expect(inbox.reached).toEqual(reached);
});
