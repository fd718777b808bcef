/** The spherical Mercator projection of web maps onto the unit square: x grows to the east, y to the south. */

/** A place on the unit square. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Projects a position. @param lat and `lon` in degrees */
export function mercator(lat: number, lon: number): Place {
  const sin = Math.sin((Math.max(-85.05, Math.min(85.05, lat)) * Math.PI) / 180);
  return { x: lon / 360 + 0.5, y: 0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI) };
}
