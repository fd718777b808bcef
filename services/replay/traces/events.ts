import { TagalongError } from '#shared/errors.ts';
import { decode } from '#shared/events/index.ts';
import { lineFormat } from './line-format.ts';

/**
 * Reads recorded events of the bus: Tagalong's CloudEvents, one on each line. `location.reported.v1` contains positions; events of other
 * types are counted as others. A user of several VMs has one event for each VM; the plausibility filter drops the repeats.
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
    rows.bad(file, number, `event: ${error.message}; write one CloudEvent a line`);
    return undefined;
  }
});
