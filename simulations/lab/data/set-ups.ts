/** The set-ups in which policies are compared: recorded and synthetic movements, each with sites and costs. */
import { readSites } from '#services/replay/site-lists.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { GENERATOR_NAMES, generate } from '../../generators/generate.ts';
import { CONSTANT_COSTS, DISTANCE_COSTS, type HopCosts } from '../costs.ts';
import type { CellTrace } from '../trace.ts';
import { type CellMap, everyNth, makeWorld, type World } from '../world.ts';
import { readRandomWaypoint } from './random-waypoint.ts';
import { planeOf, slotted } from './slotted.ts';
import { readWang } from './wang.ts';

/** The files that recorded set-ups need, below the folder of all data. */
export const WANG_FILES = ['wang-mdp/cells.csv', 'wang-mdp/cell-of-user-by-slot.csv.gz'];
/** The files that {@link otherSetUps} reads. */
export const OTHER_FILES = [
  ...WANG_FILES,
  'sf-cabspotting/cabs-2008-05-21.csv.gz',
  'sf-cabspotting/cabs-2008-05-24.csv.gz',
  'luxembourg-lust/sites-tango-lte-38.csv',
  'luxembourg-lust/lust-500cars-1hz.csv.gz',
  'bologna-sumo/candidate-sites-bus-stops.csv',
  'bologna-sumo/bologna-joined-fcd-5s.csv.gz',
  'random-waypoint/u100_s100_t3600_seed42.csv.gz',
  'random-waypoint/u100_s100_t3600_seed42.json.gz',
];

/** A world and a trace in it. */
export interface SetUp {
  readonly name: string;
  readonly world: World;
  readonly trace: CellTrace;
}

/** The authors' day of taxis, with 200, 100 and 30 sites, and with 100 sites at constant cost. @param data the folder of all data */
export async function wangSetUps(data: string): Promise<SetUp[]> {
  const { plane, trace } = await readWang(`${data}/wang-mdp`);
  const setUp = (sites: number, costs: HopCosts) => ({
    name: `${sites} sites, ${costs.name}`,
    world: makeWorld(plane.map, everyNth(plane.map.x.length, sites), costs),
    trace,
  });
  return [...[200, 100, 30].map((sites) => setUp(sites, DISTANCE_COSTS)), setUp(100, CONSTANT_COSTS)];
}

/** Recorded movements of other days and places. They are read one after the other, because some are large. @param data the folder of all data */
export async function* otherSetUps(data: string): AsyncGenerator<SetUp> {
  const { plane } = await readWang(`${data}/wang-mdp`);
  for (const day of ['21', '24']) {
    const taxis = await openTrace(`${data}/sf-cabspotting/cabs-2008-05-${day}.csv.gz`);
    const trace = await slotted(taxis, plane, { slotMs: 60_000, silentMs: 240_000, farthestHops: 3 });
    yield atEvery(2, `taxis of ${day} May`, plane.map, trace);
  }
  const antennas = planeOf(await readSites(`${data}/luxembourg-lust/sites-tango-lte-38.csv`), 0.7);
  const cars = await openTrace(`${data}/luxembourg-lust/lust-500cars-1hz.csv.gz`);
  const inLuxembourg = await slotted(cars, antennas, { slotMs: 20_000, silentMs: 60_000, farthestHops: 20 });
  yield atEvery(1, 'Luxembourg', antennas.map, inLuxembourg);
  const stops = planeOf(await readSites(`${data}/bologna-sumo/candidate-sites-bus-stops.csv`), 0.3);
  const traffic = await openTrace(`${data}/bologna-sumo/bologna-joined-fcd-5s.csv.gz`);
  const inBologna = await slotted(traffic, stops, { slotMs: 15_000, silentMs: 45_000, farthestHops: 20 });
  yield atEvery(2, 'Bologna', stops.map, inBologna);
  const walk = await readRandomWaypoint(`${data}/random-waypoint/u100_s100_t3600_seed42`, 20);
  yield atEvery(1, 'random waypoint', walk.map, walk.trace);
}

/** The distance between generated sites. */
const SPACING_KM = 1;

/** The movements of all generators, with 100 sites. They need no files. */
export async function* madeSetUps(seed: number): AsyncGenerator<SetUp> {
  for (const name of GENERATOR_NAMES) {
    const { sites, trace } = generate(name, seed);
    const plane = planeOf(sites, SPACING_KM);
    const cells = await slotted(trace, plane, { slotMs: 60_000, silentMs: 60_000, farthestHops: 1 });
    yield atEvery(1, `${name}, seed ${seed}`, plane.map, cells);
  }
}

/** A set-up with a site in one of every `step` cells. */
function atEvery(step: number, name: string, map: CellMap, trace: CellTrace): SetUp {
  const sites = Math.floor(map.x.length / step);
  return { name, world: makeWorld(map, everyNth(map.x.length, sites), DISTANCE_COSTS), trace };
}
