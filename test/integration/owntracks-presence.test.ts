/** The presence that OwnTracks' transitions and modes imply (booklet, tech/json and features/location). */
import { expect, test } from 'vitest';
import { data, fullSpec, NOW_MS, ownIngest, published, start } from './ingest-world.ts';

ownIngest();

const AT_S = (NOW_MS - 20_000) / 1000;
const message = { _type: 'location', tid: 'ne', lat: 48.85833, lon: 2.29513, tst: AT_S };
const transition = { _type: 'transition', event: 'enter', lat: 1, lon: 2, tst: AT_S, wtst: AT_S, desc: 'home' };
test.each<[string, object, (string | undefined)[]]>([
  ['an entered region', transition, ['arrived']],
  ['a left region', { ...transition, event: 'leave' }, ['left']],
  ['a transition without a place', { ...transition, lat: undefined }, []],
  ['move mode', { ...message, m: 2 }, ['periodic']],
  ['a timer', { ...message, t: 't' }, ['periodic']],
  ['significant changes', { ...message, m: 1 }, ['arrived']],
  ['manual mode in a region', { ...message, m: 0, inregions: ['home'] }, ['arrived']],
  ['manual mode elsewhere', { ...message, m: 0, inregions: [] }, [undefined]],
  ['quiet mode', { ...message, m: -1 }, [undefined]],
  ['a location beside a transition', { ...message, m: 0, t: 'c' }, []],
])('the bus has the right presence for %s', async (_, body, presences) => {
  const { ingest, ask } = await start();
  await ingest.declareVm('v1', 'east', fullSpec);
  await ingest.attach('v1', 'jane', 1);
  expect((await ask('POST', '/v1/owntracks?u=jane', body)).status).toBe(200);
  expect(data(await published('location.reported.v1')).map((one) => (one as { presence?: string }).presence)).toEqual(
    presences,
  );
});
