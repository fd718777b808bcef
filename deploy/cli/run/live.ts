/** Shows the progress of a run on standard error, with a line for each move that ended. */
import { bytes, counted, duration, timeOfDay } from '#shared/format.ts';
import { foreignText } from '#shared/text.ts';
import { styled } from '../output/styled.ts';
import type { EndedMove } from '../output/tally.ts';

/** The progress of a run. */
export interface Progress {
  readonly atMs: number;
  /** From 0 to 1; undefined if the length of the run is unknown. */
  readonly share: number | undefined;
  readonly locations: number;
  readonly moves: number;
  readonly underWay: number;
}

export interface LiveView {
  /** Prints a line above the progress. */
  say(line: string): void;
  /** Prints a line for a move, below headings. */
  move(move: EndedMove): void;
  /** Begins to show the progress. Calls the function again for each update. */
  follow(progress: () => Progress): void;
  /** Stops showing the progress. */
  unfollow(): void;
}

const REDRAW_MS = 200;
/** Interval of progress lines if the output is no terminal. */
const PLAIN_MS = 5000;
/** Width in characters if the terminal does not report one. */
const NARROW = 80;
const CLEAR_LINE = '\r\x1b[2K';

export function liveView(stream: NodeJS.WriteStream): LiveView {
  const isTty = stream.isTTY === true;
  let progress: (() => Progress) | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** True once the headings are printed, above the first move. */
  let headed = false;

  const draw = () => {
    if (progress === undefined) return;
    const text = progressLine(progress());
    // The terminal would not clear the whole of a line that is wider than it.
    if (isTty) stream.write(CLEAR_LINE + styled('dim', text.slice(0, (stream.columns || NARROW) - 1), stream));
    else stream.write(`${text}\n`);
  };
  const say = (line: string) => {
    if (!isTty) return void stream.write(`${line}\n`);
    stream.write(`${CLEAR_LINE}${line}\n`);
    draw();
  };
  return {
    say,
    move(move) {
      if (!headed) say(styled('bold', MOVE_HEAD, stream));
      headed = true;
      say(moveLine(move, (text) => styled(COLOURS[move.outcome], text, stream)));
    },
    follow(ask) {
      progress = ask;
      if (isTty) draw();
      timer = setInterval(draw, isTty ? REDRAW_MS : PLAIN_MS).unref();
    },
    unfollow() {
      clearInterval(timer);
      if (progress !== undefined && isTty) stream.write(CLEAR_LINE);
      progress = undefined;
    },
  };
}

/** The width of two names of twelve letters. */
const WAY_WIDTH = 25;
const COLOURS = { completed: 'green', failed: 'red', cancelled: 'yellow' } as const;

/** *Gap* is the interruption that clients saw. */
const MOVE_HEAD = [
  'time'.padEnd(8),
  'VM'.padEnd(7),
  'from → to'.padEnd(WAY_WIDTH),
  ...['takes', 'pause', 'gap'].map((text) => text.padStart(6)),
  'data'.padStart(7),
].join('  ');

/**
 * One line of text for one move: 77 characters, more with long names or a note.
 * @param emphasize marks the outcome
 */
export function moveLine(move: EndedMove, emphasize: (text: string) => string = (text) => text): string {
  const { figures, outcome } = move;
  const way = `${move.from} → ${move.to}`.padEnd(WAY_WIDTH);
  const head = `${timeOfDay(move.atMs)}  ${move.vm.padEnd(7)}  ${emphasize(way)}`;
  // A guest, an agent or QEMU may have written the reason of a failure.
  if (outcome !== 'completed') return `${head}  ${emphasize(outcome)} ${foreignText(move.because)} (${move.reason})`;
  // `better-site` is the usual reason and needs no note.
  const notes = [...(move.reason === 'better-site' ? [] : [move.reason]), ...figures.degraded].join(', ');
  return [
    head,
    ...[figures.durationMs, figures.pauseMs, figures.interruptionMs].map((ms) => duration(ms).padStart(6)),
    bytes(figures.bytes).padStart(7),
    ...(notes === '' ? [] : [notes]),
  ].join('  ');
}

function progressLine({ atMs, share, locations, moves, underWay }: Progress): string {
  const done = share === undefined ? '' : `  ${String(Math.floor(share * 100)).padStart(3)} %`;
  return `${timeOfDay(atMs)}${done}  ${counted(locations, 'location')}  ${counted(moves, 'move')} ended, ${underWay} under way`;
}
