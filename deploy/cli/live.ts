/** What a run shows on standard error while it goes on: how far it is, and a line for each move that ended. */
import { styleText } from 'node:util';
import { bytes, counted, duration, timeOfDay } from '#shared/format.ts';
import { foreignText } from '#shared/text.ts';
import type { EndedMove } from './tally.ts';

/** How far a run is. */
export interface Progress {
  readonly atMs: number;
  /** From 0 to 1; undefined where nobody knows how long it will be. */
  readonly share: number | undefined;
  readonly locations: number;
  readonly moves: number;
  readonly underWay: number;
}

export interface LiveView {
  /** A line of its own, above the progress. */
  say(line: string): void;
  move(move: EndedMove): void;
  /** Begins to show how far it is; asked again whenever it is shown. */
  follow(progress: () => Progress): void;
  /** Shows no more of it. */
  unfollow(): void;
}

const REDRAW_MS = 200;
/** Where there is no terminal to redraw a line on. */
const PLAIN_MS = 5000;
/** Where the terminal does not say how wide it is. */
const NARROW = 80;
const CLEAR_LINE = '\r\x1b[2K';

export function liveView(stream: NodeJS.WriteStream): LiveView {
  const isTty = stream.isTTY === true;
  let progress: (() => Progress) | undefined;
  let timer: NodeJS.Timeout | undefined;

  const draw = () => {
    if (progress === undefined) return;
    const text = progressLine(progress());
    // A line that is wider than the terminal would not be cleared whole.
    if (isTty) stream.write(CLEAR_LINE + styleText('dim', text.slice(0, (stream.columns || NARROW) - 1), { stream }));
    else stream.write(`${text}\n`);
  };
  const say = (line: string) => {
    if (!isTty) return void stream.write(`${line}\n`);
    stream.write(`${CLEAR_LINE}${line}\n`);
    draw();
  };
  return {
    say,
    move: (move) => say(moveLine(move, (text) => styleText(COLOURS[move.outcome], text, { stream }))),
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

const COLOURS = { completed: 'green', failed: 'red', cancelled: 'yellow' } as const;

/** One line of text for one move. @param emphasize marks how it ended */
export function moveLine(move: EndedMove, emphasize: (text: string) => string = (text) => text): string {
  const { figures, outcome } = move;
  const way = `${move.from} → ${move.to}`.padEnd(28);
  const head = `${timeOfDay(move.atMs)}  ${move.vm.padEnd(8)}  ${emphasize(way)}`;
  // Why it failed is in words of a guest, an agent or QEMU.
  if (outcome !== 'completed') return `${head}  ${emphasize(outcome)} ${foreignText(move.because)} (${move.reason})`;
  const notes = [move.reason, ...figures.degraded].join(', ');
  return [
    head,
    duration(figures.durationMs).padStart(8),
    `pause ${duration(figures.pauseMs).padStart(6)}`,
    `interruption ${duration(figures.interruptionMs).padStart(6)}`,
    bytes(figures.bytes).padStart(7),
    counted(figures.subflows, 'subflow'),
    notes,
  ].join('  ');
}

function progressLine({ atMs, share, locations, moves, underWay }: Progress): string {
  const done = share === undefined ? '' : `  ${String(Math.floor(share * 100)).padStart(3)} %`;
  return `${timeOfDay(atMs)}${done}  ${counted(locations, 'location')}  ${counted(moves, 'move')} ended, ${underWay} under way`;
}
