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
  return new Scrubber(show, fail);
}

class Scrubber implements Timeline {
  live = true;
  readonly #show: (picture: Picture | undefined) => void;
  readonly #fail: (error: unknown) => void;
  readonly #scrub = byId<HTMLInputElement>('scrub');
  readonly #canvas = byId<HTMLCanvasElement>('marks');
  readonly #liveButton = byId('live');
  readonly #playButton = byId('play');
  #connected = true;
  #world: World | undefined;
  /** The timer of the replay. */
  #playing: number | undefined;
  /** The instant whose picture is to be requested next. */
  #wantedMs: number | undefined;
  #isLoading = false;

  constructor(show: (picture: Picture | undefined) => void, fail: (error: unknown) => void) {
    this.#show = show;
    this.#fail = fail;
    const scrub = this.#scrub;
    scrub.addEventListener('input', () => {
      // The right end of the line is the present.
      if (Number(scrub.value) >= Number(scrub.max)) this.#goLive();
      else this.#goTo(Number(scrub.value));
    });
    this.#liveButton.addEventListener('click', () => this.#goLive());
    this.#playButton.addEventListener('click', () => this.#play());
    new ResizeObserver(() => this.#mark()).observe(this.#canvas);
  }

  update(world: World): void {
    this.#world = world;
    const { value } = this.#scrub;
    this.#scrub.min = `${world.fromMs}`;
    this.#scrub.max = `${world.atMs}`;
    this.#scrub.value = this.live ? this.#scrub.max : value;
    this.#mark();
  }

  connect(connected: boolean): void {
    this.#connected = connected;
    this.#mark();
  }

  /** Requests pictures one at a time, always that of the latest wanted instant. */
  async #ask(): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    while (this.#wantedMs !== undefined) {
      const atMs = this.#wantedMs;
      this.#wantedMs = undefined;
      try {
        const picture = await past(atMs);
        if (!this.live) this.#show(picture);
      } catch (error) {
        this.#fail(error);
      }
    }
    this.#isLoading = false;
  }

  #goTo(atMs: number): void {
    this.live = false;
    this.#wantedMs = atMs;
    void this.#ask();
    this.#mark();
  }

  #goLive(): void {
    const wasLive = this.live;
    this.live = true;
    this.#wantedMs = undefined;
    this.#stop();
    if (!wasLive) this.#show(undefined);
    this.#mark();
  }

  #stop(): void {
    clearInterval(this.#playing);
    this.#playing = undefined;
    this.#mark();
  }

  #play() {
    if (this.#playing !== undefined) return this.#stop();
    const scrub = this.#scrub;
    if (this.live && this.#world) scrub.value = `${this.#world.fromMs}`;
    this.#playing = setInterval(() => {
      const next = Number(scrub.value) + STEP_MS * REPLAY_SPEED;
      if (next >= Number(scrub.max)) return this.#goLive();
      scrub.value = `${next}`;
      this.#goTo(next);
    }, STEP_MS);
    this.#goTo(Number(scrub.value));
  }

  /** Updates the buttons, the handle and the marks. */
  #mark(): void {
    const isPlaying = this.#playing !== undefined;
    const atMs = Number(this.#scrub.value);
    this.#liveButton.setAttribute('aria-pressed', `${this.live && this.#connected}`);
    setText(this.#liveButton, this.#connected ? '● Live' : '○ Not live');
    this.#playButton.setAttribute('aria-pressed', `${isPlaying}`);
    setText(this.#playButton, isPlaying ? '❚❚ Stop' : '▶ Replay');
    this.#scrub.setAttribute('aria-valuetext', this.live ? 'now' : instant(atMs));
    if (this.#world) drawMarks(this.#canvas, this.#world, atMs);
  }
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
