/**
 * The viewers of the dashboard. Each first receives the whole picture, then the changes, four times a second at most. A line is made
 * once for all viewers with the same rights. A viewer that reads too slowly receives nothing until it has read everything, and then a
 * whole picture again, so no backlog grows.
 */
import type { ServerResponse } from 'node:http';
import type { Line } from './wire.ts';

/** The shortest time between two lines. */
const FRAME_MS = 250;
/** Without changes, every fourth frame sends a line, so that a page notices a lost connection. */
const QUIET_FRAMES = 4;
/** The most open pages. */
const MOST_VIEWERS = 100;
/** The most open pages of viewers who have not signed in: the others are kept for those who have. */
const MOST_ANONYMOUS = 60;
/** The most open pages of one viewer: of one address, or of one token. */
const MOST_EACH = 25;

/** The source of the lines. */
export interface Source {
  /** The present picture. */
  picture(): Line;
  /** The changes since the last call. */
  changes(): Line;
}

/** The client that opens a page. */
export interface Opened {
  /** True if the viewer may see users and their positions. */
  readonly users: boolean;
  /** True if the viewer may see who ordered a move. */
  readonly names: boolean;
  /** The token of a viewer who has signed in, otherwise the address. */
  readonly by: string;
  readonly hasSignedIn: boolean;
}

interface Viewer extends Opened {
  readonly response: ServerResponse;
  /** True if the next line must be a whole picture. */
  fresh: boolean;
  /** True if the viewer has not yet read the last line. */
  behind: boolean;
}

/** The open pages. */
export interface Viewers {
  /** Sends lines until the page is closed. @returns false if too many pages are open */
  add(response: ServerResponse, opened: Opened): boolean;
  readonly size: number;
  /** Ends all streams. */
  close(): void;
}

/** Makes the list of viewers. It reads the source while a page is open. */
export function createViewers(source: Source): Viewers {
  const viewers = new Set<Viewer>();
  let timer: NodeJS.Timeout | undefined;
  let quiet = 0;

  const frame = () => {
    const changes = source.changes();
    // `kind`, `atMs` and `fromMs` are always present.
    const isQuiet = Object.keys(changes).length === 3;
    quiet = isQuiet ? quiet + 1 : 0;
    const lines = new Map<string, string>();
    for (const viewer of viewers) {
      // A stream that has ended stays here until its last line is read.
      if (viewer.behind || viewer.response.writableEnded) continue;
      if (!viewer.fresh && isQuiet && quiet % QUIET_FRAMES !== 0) continue;
      send(viewer, changes, lines);
    }
  };
  const send = (viewer: Viewer, changes: Line, lines: Map<string, string>) => {
    const kind = `${viewer.fresh} ${viewer.users} ${viewer.names}`;
    const text = lines.get(kind) ?? textOf(viewer.fresh ? source.picture() : changes, viewer);
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
    add(response, opened) {
      const all = [...viewers];
      const anonymous = all.filter(({ hasSignedIn }) => !hasSignedIn).length;
      const own = all.filter(({ by }) => by === opened.by).length;
      if (all.length >= MOST_VIEWERS || own >= MOST_EACH) return false;
      if (!opened.hasSignedIn && anonymous >= MOST_ANONYMOUS) return false;
      const viewer: Viewer = { ...opened, response, fresh: true, behind: false };
      viewers.add(viewer);
      response.once('close', () => remove(viewer));
      // Without a listener an error of one connection would end the process.
      response.on('error', () => response.destroy());
      // People watch in real time, however fast the services' clock runs.
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

/** A line as text, without users and their positions, and without names of operators, for viewers who may not see them. */
export function textOf(line: Line, { users, names }: Pick<Opened, 'users' | 'names'>): string {
  const named = names ? line : withoutNames(line);
  if (users) return `${JSON.stringify(named)}\n`;
  const { users: _, positions: __, ...rest } = named;
  const { left: ___, ...others } = rest as typeof rest & { left?: unknown };
  return `${JSON.stringify(others)}\n`;
}

function withoutNames(line: Line): Line {
  const { moves, decisions } = line;
  return {
    ...line,
    ...(moves && { moves: moves.map(({ orderedBy: _, cancelledBy: __, ...move }) => move) }),
    ...(decisions && { decisions: decisions.map(({ orderedBy: _, ...decision }) => decision) }),
  };
}
