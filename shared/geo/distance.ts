import { getDistance } from 'geolib';

/** A position on the earth, WGS 84, degrees. */
export interface Position {
  readonly lat: number;
  readonly lon: number;
}

const EARTH_RADIUS_KM = 6371;
const RADIANS = Math.PI / 180;
/** Length of one degree of latitude. */
export const KM_PER_DEGREE = EARTH_RADIUS_KM * RADIANS;

/** Great-circle distance in km, rounded to metres (geolib). Slow: for figures that are computed once, such as paths between sites. */
export function distanceKm(a: Position, b: Position): number {
  return getDistance({ latitude: a.lat, longitude: a.lon }, { latitude: b.lat, longitude: b.lon }) / 1000;
}

/** Length of a degree of longitude ÷ length of a degree of latitude, at this latitude: the cosine of the latitude. */
export function lonScale(lat: number): number {
  return Math.cos(lat * RADIANS);
}

/** Difference of two longitudes the short way round the earth, from -180 to 180. */
export function lonDifference(a: number, b: number): number {
  const difference = a - b;
  if (difference > 180) return difference - 360;
  if (difference < -180) return difference + 360;
  return difference;
}

/**
 * Squared distance in km² on the plane that touches the earth near `a`. It calls no trigonometric function. For the hot path and
 * for short distances: the error is below 0.5 % within 100 km at latitudes under 60°.
 * @param scale `lonScale(a.lat)`, which the caller stores with the position
 */
export function nearKm2(aLat: number, aLon: number, scale: number, bLat: number, bLon: number): number {
  const y = (bLat - aLat) * KM_PER_DEGREE;
  const x = lonDifference(bLon, aLon) * scale * KM_PER_DEGREE;
  return x * x + y * y;
}

/** Writes the unit vector of a position into `out` at `offset`. The distance of two positions follows from the chord between their vectors. */
export function unitVector({ lat, lon }: Position, out: Float64Array, offset = 0): void {
  const phi = lat * RADIANS;
  const lambda = lon * RADIANS;
  const equatorial = Math.cos(phi);
  out[offset] = equatorial * Math.cos(lambda);
  out[offset + 1] = equatorial * Math.sin(lambda);
  out[offset + 2] = Math.sin(phi);
}

/**
 * Great-circle distance in km of two unit vectors: 2R × asin(chord / 2), the haversine formula. It is exact for near points too, unlike
 * the formula with acos.
 */
export function chordKm(squaredChord: number): number {
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(squaredChord) / 2));
}
