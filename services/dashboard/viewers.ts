/**
 * The viewers of the dashboard. Each gets the whole picture first, then the changes, at most four times a second. A line is
 * made once for all viewers of a kind. A viewer that reads too slowly gets nothing more until it has read all, and then the
 * whole picture again: so no backlog grows.
 */
import type { ServerResponse } from 'node:http';
import type { Line } from './wire.ts';

/** The shortest time between two lines. */
const FRAME_MS = 250;
/** A line is sent at least so often, so that a page notices a lost connection. */
const QUIET_FRAMES = 4;
/** So many pages at once. */
const MOST_VIEWERS = 100;

/** The source of the lines. */
export interface Source {
  /** The whole, now. */
  picture(): Line;
  /** The changes since the last call. */
  changes(): Line;
}

interface Viewer {
  readonly response: ServerResponse;
  /** Whether users and their positions are shown. */
  readonly users: boolean;
  /** Has to be sent the whole picture. */
  fresh: boolean;
  /** Has not yet read what it was sent. */
  behind: boolean;
}

/** Pages that are open. */
export interface Viewers {
  /** Sends lines until the page closes. False: there are too many already. */
  add(response: ServerResponse, users: boolean): boolean;
  readonly size: number;
  /** Ends all. */
  close(): void;
}

export function createViewers(source: Source): Viewers {
  const viewers = new Set<Viewer>();
  let timer: NodeJS.Timeout | undefined;
  let quiet = 0;

  const frame = () => {
    const changes = source.changes();
    // Always what kind it is, when, and from when on.
    const isQuiet = Object.keys(changes).length === 3;
    quiet = isQuiet ? quiet + 1 : 0;
    const lines = new Map<string, string>();
    for (const viewer of viewers) {
      if (viewer.behind) continue;
      if (!viewer.fresh && isQuiet && quiet % QUIET_FRAMES !== 0) continue;
      send(viewer, changes, lines);
    }
  };
  const send = (viewer: Viewer, changes: Line, lines: Map<string, string>) => {
    const kind = `${viewer.fresh} ${viewer.users}`;
    const text = lines.get(kind) ?? textOf(viewer.fresh ? source.picture() : changes, viewer.users);
    lines.set(kind, text);
    viewer.fresh = false;
    if (viewer.response.write(text)) return;
    viewer.behind = true;
    viewer.response.once('drain', () => {
      viewer.behind = false;
      viewer.fresh = true;
    });
  };
  const remove = (viewer: Viewer) => {
    viewers.delete(viewer);
    if (viewers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    add(response, users) {
      if (viewers.size >= MOST_VIEWERS) return false;
      const viewer: Viewer = { response, users, fresh: true, behind: false };
      viewers.add(viewer);
      response.once('close', () => remove(viewer));
      // People look in the machine's time, however fast the services' clock goes.
      timer ??= setInterval(frame, FRAME_MS);
      return true;
    },
    get size() {
      return viewers.size;
    },
    close() {
      for (const { response } of viewers) response.end();
    },
  };
}

/** @param users false: without anything that tells where a user is */
export function textOf(line: Line, users: boolean): string {
  const { users: _, positions: __, ...rest } = line;
  const { left: ___, ...others } = rest as typeof rest & { left?: unknown };
  return `${JSON.stringify(users ? line : others)}\n`;
}
