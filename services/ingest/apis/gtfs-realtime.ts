/**
 * GTFS Realtime vehicle positions (gtfs.org, version 2.0): the positions of buses and trains of a transit agency, in protocol
 * buffers. Only the vehicles' names, positions and times are read.
 */
import { PbfReader } from 'pbf';
import { MAX_AT_MS } from '#shared/events/bounds.ts';
import { unfit } from '../body.ts';
import type { Reported } from './report.ts';

interface Vehicle {
  id?: string;
  label?: string;
  lat?: number;
  lon?: number;
  atS?: number;
}
interface Entity {
  id?: string;
  vehicle?: Vehicle;
}
interface Feed {
  version?: string;
  atS?: number;
  readonly entities: Entity[];
}

const OF_VEHICLE = {
  user: 'vehicle.vehicle.id',
  lat: 'vehicle.position.latitude',
  lon: 'vehicle.position.longitude',
  atMs: 'vehicle.timestamp',
};
const OF_LABEL = { ...OF_VEHICLE, user: 'vehicle.vehicle.label' };
const OF_ENTITY = { ...OF_VEHICLE, user: 'id' };

/**
 * Reads the positions of a feed. The user is the vehicle's id, else its label, else the entity's id. The default time is the
 * feed's. A feed is read again and again (the best practices of gtfs.org ask for a new one every 30 s), and holds each vehicle that
 * runs, so it is periodic. Vehicles without a position, trip updates and alerts are skipped.
 * @throws TagalongError EVENT_INVALID
 */
export function readGtfsRealtime(body: Uint8Array): Reported[] {
  const feed = read(body);
  return feed.entities.flatMap(({ id, vehicle }, i) => {
    const user = vehicle?.id ?? vehicle?.label ?? id;
    if (user === undefined || vehicle?.lat === undefined || vehicle.lon === undefined) return [];
    const atS = vehicle.atS ?? feed.atS;
    const { lat, lon } = vehicle;
    const when = atS !== undefined && { atMs: Math.min(atS * 1000, MAX_AT_MS) };
    const position = { user, lat, lon, ...when, presence: 'periodic' } as const;
    const names = vehicle.id !== undefined ? OF_VEHICLE : vehicle.label !== undefined ? OF_LABEL : OF_ENTITY;
    return [{ position, where: `entity ${i + 1}: `, names }];
  });
}

function read(body: Uint8Array): Feed {
  let feed: Feed;
  try {
    feed = new PbfReader(body).readFields(feedField, { entities: [] } as Feed);
  } catch (cause) {
    throw unfit(`the protocol buffer cannot be read (${(cause as Error).message}); send a whole FeedMessage`);
  }
  if (feed.version === undefined) throw unfit('header: is missing; send a FeedMessage of GTFS Realtime');
  return feed;
}

// Field numbers: gtfs-realtime.proto.
function feedField(tag: number, feed: Feed, pbf: PbfReader): void {
  if (tag === 1) pbf.readMessage(headerField, feed);
  else if (tag === 2) feed.entities.push(pbf.readMessage(entityField, {}));
}

function headerField(tag: number, feed: Feed, pbf: PbfReader): void {
  if (tag === 1) feed.version = pbf.readString();
  else if (tag === 3) feed.atS = pbf.readVarint();
}

function entityField(tag: number, entity: Entity, pbf: PbfReader): void {
  if (tag === 1) entity.id = pbf.readString();
  else if (tag === 4) entity.vehicle = pbf.readMessage(vehicleField, {});
}

function vehicleField(tag: number, vehicle: Vehicle, pbf: PbfReader): void {
  if (tag === 2) pbf.readMessage(positionField, vehicle);
  else if (tag === 5) vehicle.atS = pbf.readVarint();
  else if (tag === 8) pbf.readMessage(descriptorField, vehicle);
}

function positionField(tag: number, vehicle: Vehicle, pbf: PbfReader): void {
  if (tag === 1) vehicle.lat = pbf.readFloat();
  else if (tag === 2) vehicle.lon = pbf.readFloat();
}

function descriptorField(tag: number, vehicle: Vehicle, pbf: PbfReader): void {
  if (tag === 1) vehicle.id = pbf.readString();
  else if (tag === 2) vehicle.label = pbf.readString();
}
