import { TagalongError } from '#shared/errors.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import { decimal, type Rows } from './row.ts';
import { readXml } from './xml.ts';

/** The elements of a time step that are users. Containers are goods. */
const MOVING = new Set(['vehicle', 'person']);

/**
 * Reads SUMO's floating car data (`--fcd-output FILE --fcd-output.geo`): `timestep`s with `vehicle`s and `person`s. x is the longitude, y
 * the latitude. The seconds of the simulation count as seconds since 1970.
 * @throws TagalongError TRACE_UNREADABLE if positions are metres of the network (written without `--fcd-output.geo`)
 */
export const openSumoFcd: OpenFormat = async (path) => (rows) => fixesIn(path, rows);

async function* fixesIn(file: string, rows: Rows): AsyncGenerator<readonly Fix[], void, void> {
  let fixes: Fix[] = [];
  let t: string | undefined;
  const pieces = readXml(
    file,
    { root: 'fcd-export', wanted: "SUMO's fcd-export" },
    {
      open(path, attributes, line) {
        const element = path.at(-1)!;
        if (path.length === 2 && element === 'timestep') t = attributes.time;
        if (path.length !== 3) return;
        if (!MOVING.has(element)) {
          rows.other();
          return;
        }
        const { id, x, y } = attributes;
        const fix = rows.read({ user: id, t, lat: y, lon: x }, file, line);
        if (fix === undefined) return;
        if (Math.abs(fix.lat) > 90 || Math.abs(fix.lon) > 180) throw notGeographic(file, line, x!, y!);
        fixes.push(fix);
      },
    },
  );
  for await (const _ of pieces) {
    if (fixes.length > 0) yield fixes;
    fixes = [];
  }
}

function notGeographic(file: string, line: number, x: string, y: string): TagalongError {
  return new TagalongError(
    'TRACE_UNREADABLE',
    `${file}:${line}: x=${decimal(x)} y=${decimal(y)} are metres of the network, not degrees; write the file with SUMO's --fcd-output.geo`,
  );
}
