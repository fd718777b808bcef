/** Ingest accepts the feeds of GTFS Realtime (gtfs.org/documentation/realtime). */
import { describe, expect, test } from 'vitest';
import { data, expectFault, fullSpec, NOW_MS, ownIngest, published, start } from './ingest-world.ts';

ownIngest();

const AT_MS = NOW_MS - 20_000;
const AT_S = AT_MS / 1000;

describe('GTFS Realtime', () => {
  // Made with Google's bindings: a bus with id, label and plate, a bus without any of them, a deleted entity, a trip update, and a
  // vehicle without a position. The feed has the time 1700000000, and the first bus the next second.
  const FEED =
    '0a0d0a03322e3010001880e2cfaa06124f0a02653122490a080a0274312a023134121d0d9a9955421552b83ec01d0000b4422100000000000029402d00000041180320022881e2cfaa063a017342110a056275732d371205536576656e1a015812120a026532220c120a0d00005642159a9939c012060a026533100112140a0265341a0e0a040a027432120608031202080512150a026535220f420d120b4e6f20706f736974696f6e';
  const moved = (hex: string) => {
    // Replaces both times, varints of five bytes, by times of the test's clock.
    const varint = (value: number) => {
      const bytes = [];
      for (let rest = value; rest > 0; rest = Math.floor(rest / 128))
        bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
      return Buffer.from(bytes).toString('hex');
    };
    const times = [varint(1_700_000_000), varint(1_700_000_001)] as const;
    expect(hex.split(times[0])).toHaveLength(2);
    return hex.replace(times[0], varint(AT_S)).replace(times[1], varint(AT_S + 1));
  };
  const post = async (bytes: Buffer, ...users: string[]) => {
    const { ingest, url } = await start();
    await ingest.declareVm('v1', 'east', fullSpec);
    for (const user of users) await ingest.attach('v1', user, 1);
    const headers = { 'content-type': 'application/x-protobuf' };
    const response = await fetch(`${url}/v1/gtfs-realtime`, { method: 'POST', headers, body: new Uint8Array(bytes) });
    return { status: response.status, body: (await response.json()) as { error?: { code: string } } };
  };

  test('each vehicle with a position is a user, with its own time or the time of the feed', async () => {
    const answer = await post(Buffer.from(moved(FEED), 'hex'), 'bus-7', 'e2');
    expect(answer).toEqual({ status: 202, body: { accepted: 2, events: 2, implausible: {}, unattached: 0 } });
    const [first, second] = data(await published('location.reported.v1')) as { lat: number; lon: number }[];
    expect(first).toMatchObject({ user: 'bus-7', atMs: AT_MS + 1000, presence: 'periodic' });
    expect([first!.lat, first!.lon]).toEqual([Math.fround(53.4), Math.fround(-2.98)]);
    expect(second).toMatchObject({ user: 'e2', atMs: AT_MS, lat: 53.5 });
  });

  test('an error names the entity and its field', async () => {
    const feed = moved(FEED);
    // In one feed the latitude of the second vehicle is NaN. In the other the id of the first contains a line end.
    expect(feed).toContain('0d00005642');
    expectFault(
      await post(Buffer.from(feed.replace('0d00005642', '0d0000c07f'), 'hex')),
      'entity 2: vehicle.position.latitude',
    );
    expect(feed).toContain(Buffer.from('bus-7').toString('hex'));
    const line = feed.replace(Buffer.from('bus-7').toString('hex'), Buffer.from('bus\n7').toString('hex'));
    expectFault(await post(Buffer.from(line, 'hex')), 'entity 1: vehicle.vehicle.id');
  });

  test('a feed that is cut off is refused', async () => {
    const whole = Buffer.from(FEED, 'hex');
    for (const bytes of [Buffer.from('not a feed'), Buffer.alloc(0), whole.subarray(0, 40), whole.subarray(20)]) {
      const { status, body } = await post(bytes);
      expect({ status, code: body.error?.code }).toEqual({ status: 400, code: 'EVENT_INVALID' });
    }
  });
});
