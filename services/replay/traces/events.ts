import { TagalongError } from '#shared/errors.ts';
import { decode } from '#shared/events/index.ts';
import { lineFormat } from './line-format.ts';

/**
 * A recorded bus stream: our own CloudEvents, one a line. Positions are taken from `location.reported.v1`; events of other
 * types are counted as others. A user of several VMs is reported once for each: what repeats, the plausibility filter
 * drops.
 */
export const openEvents = lineFormat(/\.(ndjson|jsonl)(\.gz)?$/i, 'files *.ndjson', (line, file, number, rows) => {
  try {
    const { type, data } = decode(line);
    if (type !== 'location.reported.v1') {
      rows.other();
      return undefined;
    }
    const { user, atMs, lat, lon, presence } = data;
    return rows.read({ user, t: String(atMs / 1000), lat: String(lat), lon: String(lon), presence }, file, number);
  } catch (error) {
    if (!(error instanceof TagalongError) || error.code !== 'EVENT_INVALID') throw error;
    rows.bad(file, number, `event: ${error.message}, a CloudEvent a line would be right`);
    return undefined;
  }
});
