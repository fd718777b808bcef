/** The time line of the last hour: a mark for each decision, and a handle that chooses an instant. */
import { instant, timeOfDay } from '#shared/format.ts';
import type { Picture } from '../wire.ts';
import { past } from './api.ts';
import { byId, setText } from './dom.ts';
import { palette } from './palette.ts';
import type { World } from './world.ts';

/** The time line. */
export interface Timeline {
  /** True while the page shows the present. */
  readonly live: boolean;
  /** Updates the end of the line and its marks. */
  update(world: World): void;
  /** Sets whether the page receives the present state. */
  connect(connected: boolean): void;
}

/** A replay runs this many times as fast as the clock. */
const REPLAY_SPEED = 60;
const STEP_MS = 250;

/**
 * Sets up the time line.
 * @param show called with a picture of the past, or with undefined to show the present
 * @param fail called when a picture cannot be loaded
 */
export function createTimeline(show: (picture: Picture | undefined) => void, fail: (error: unknown) => void): Timeline {
  const scrub = byId<HTMLInputElement>('scrub');
  const canvas = byId<HTMLCanvasElement>('marks');
  const [liveButton, playButton] = [byId('live'), byId('play')];
  let live = true;
  let connected = true;
  let world: World | undefined;
  let playing: number | undefined;
  let wanted: number | undefined;
  let isLoading = false;

  /** Requests pictures one at a time, always that of the latest wanted instant. */
  const ask = async () => {
    if (isLoading) return;
    isLoading = true;
    while (wanted !== undefined) {
      const atMs = wanted;
      wanted = undefined;
      try {
        const picture = await past(atMs);
        if (!live) show(picture);
      } catch (error) {
        fail(error);
      }
    }
    isLoading = false;
  };
  const goTo = (atMs: number) => {
    live = false;
    wanted = atMs;
    void ask();
    mark();
  };
  const goLive = () => {
    const wasLive = live;
    live = true;
    wanted = undefined;
    stop();
    if (!wasLive) show(undefined);
    mark();
  };
  const stop = () => {
    clearInterval(playing);
    playing = undefined;
    mark();
  };
  const play = () => {
    if (playing !== undefined) return stop();
    if (live && world) scrub.value = `${world.fromMs}`;
    playing = setInterval(() => {
      const next = Number(scrub.value) + STEP_MS * REPLAY_SPEED;
      if (next >= Number(scrub.max)) return goLive();
      scrub.value = `${next}`;
      goTo(next);
    }, STEP_MS);
    goTo(Number(scrub.value));
  };
  const mark = () => {
    liveButton.setAttribute('aria-pressed', `${live && connected}`);
    setText(liveButton, connected ? '● Live' : '○ Not live');
    playButton.setAttribute('aria-pressed', `${playing !== undefined}`);
    setText(playButton, playing === undefined ? '▶ Replay' : '❚❚ Stop');
    scrub.setAttribute('aria-valuetext', live ? 'now' : instant(Number(scrub.value)));
    if (world) drawMarks(canvas, world, Number(scrub.value));
  };

  scrub.addEventListener('input', () => {
    // The right end of the line is the present.
    if (Number(scrub.value) >= Number(scrub.max)) goLive();
    else goTo(Number(scrub.value));
  });
  liveButton.addEventListener('click', goLive);
  playButton.addEventListener('click', play);
  new ResizeObserver(mark).observe(canvas);

  return {
    get live() {
      return live;
    },
    update(next) {
      world = next;
      const value = scrub.value;
      scrub.min = `${next.fromMs}`;
      scrub.max = `${next.atMs}`;
      scrub.value = live ? scrub.max : value;
      mark();
    },
    connect(next) {
      connected = next;
      mark();
    },
  };
}

/** Draws a mark for each decision: moves above the line, other decisions below it; and the time of day along the line. */
function drawMarks(canvas: HTMLCanvasElement, { decisions, moves, fromMs, atMs }: World, cursorMs: number): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const g = canvas.getContext('2d')!;
  g.scale(devicePixelRatio, devicePixelRatio);
  const { quiet, move, fault, border, chosen } = palette();
  // The middle of the slider's handle does not reach the ends.
  const xOf = (ms: number) => 8 + ((ms - fromMs) / Math.max(1, atMs - fromMs)) * (width - 16);
  const middle = height - 22;
  g.fillStyle = border;
  g.fillRect(8, middle, width - 16, 1);
  for (const { decision, atMs: ms, verdict } of decisions) {
    const failed = verdict === 'cancel' || moves.get(decision)?.outcome === 'failed';
    g.fillStyle = failed ? fault : verdict === 'move' ? move : quiet;
    if (verdict === 'move') g.fillRect(xOf(ms) - 1, middle - 18, 2, 17);
    else g.fillRect(xOf(ms) - 1, middle + 2, 2, 5);
  }
  drawScale(g, { fromMs, atMs, xOf, width, y: middle, colour: quiet });
  g.fillStyle = chosen;
  g.fillRect(xOf(cursorMs) - 0.75, 0, 1.5, height);
}

interface Scale {
  readonly fromMs: number;
  readonly atMs: number;
  readonly xOf: (ms: number) => number;
  readonly width: number;
  readonly y: number;
  readonly colour: string;
}

const SCALE_FONT = '11px system-ui, sans-serif';
/** The smallest distance of two ticks in pixels, and their possible distances in milliseconds. */
const TICK_PX = 56;
const TICKS_MS = [1, 2, 5, 10, 30, 60, 300, 600, 900, 1_800].map((s) => s * 1_000);

/** Draws the time of day (UTC) at round instants. */
function drawScale(g: CanvasRenderingContext2D, { fromMs, atMs, xOf, width, y, colour }: Scale): void {
  const spanMs = Math.max(1, atMs - fromMs);
  const stepMs = TICKS_MS.find((ms) => (ms / spanMs) * width >= TICK_PX) ?? TICKS_MS.at(-1)!;
  const letters = stepMs >= 60_000 ? 5 : 8;
  g.fillStyle = colour;
  g.font = SCALE_FONT;
  g.textAlign = 'center';
  for (let ms = Math.ceil(fromMs / stepMs) * stepMs; ms <= atMs; ms += stepMs) {
    const x = xOf(ms);
    g.fillRect(x - 0.5, y, 1, 4);
    // Text at the ends would be cut off.
    if (x > 22 && x < width - 22) g.fillText(timeOfDay(ms).slice(0, letters), x, y + 18);
  }
}
