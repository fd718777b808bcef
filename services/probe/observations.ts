import type { Frame } from './frames.ts';
import { OwnDelay, Silence } from './silence.ts';
import type { Transport } from './transport.ts';
import type { Tally } from './verifier.ts';

/** A gap in a client's traffic, or lost connections, after its end. */
export interface Gap {
  /** The end of the gap, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly gapMs: number;
  /** Connections that the server or the network ended during the gap. */
  readonly resets: number;
  /** Lost bytes since the previous gap. */
  readonly lostBytes: number;
}

/** The result of a probe. */
export interface ProbeReport extends Readonly<Tally>, Transport {
  readonly fromMs: number;
  readonly toMs: number;
  /** `lost`: the connection was lost, and the probe was not to open another one. */
  readonly ended: 'stopped' | 'lost';
  readonly connections: number;
  readonly resets: number;
  /** The longest gap, including gaps that are too short to be reported. */
  readonly longestGapMs: number;
  /** The number of gaps that were long enough to be reported. */
  readonly gapCount: number;
  /** The first thousand reported gaps. */
  readonly gaps: readonly Gap[];
  /** The longest delay of the probe itself. Each gap is shortened by the probe's own delay at its end. */
  readonly ownDelayMs: number;
}

const MAX_GAPS = 1000;

/** Collects the measurements of a probe over all its connections. */
export class Observations {
  readonly tally: Tally = { sentBytes: 0, intactBytes: 0, lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 };
  readonly ownDelay = new OwnDelay();
  /** Called with each reported gap. */
  onGap: (gap: Gap) => void = () => {};
  transport: Transport = { transport: 'unknown', subflows: 0 };
  connections = 0;
  readonly #leastGapMs: number;
  readonly #silence = new Silence();
  readonly #fromMs = Date.now();
  readonly #gaps: Gap[] = [];
  #gapCount = 0;
  #longestGapMs = 0;
  #resets = 0;
  #resetsReported = 0;
  #lostBytesReported = 0;

  /** @param leastGapMs shorter gaps are not reported */
  constructor(leastGapMs: number) {
    this.#leastGapMs = leastGapMs;
  }

  sent({ sentMs }: Frame): void {
    this.#silence.sent(sentMs);
  }

  /** An echo has arrived. @param next the oldest other message without an echo */
  echoed({ sentMs }: Frame, next: Frame | undefined): void {
    const nowMs = performance.now();
    this.#over(this.#silence.echo(nowMs, sentMs, next?.sentMs, this.ownDelay.at(nowMs)));
  }

  /** The server or the network has ended a connection. From now on the time counts as a gap, although nothing can be sent. */
  lost(): void {
    this.#resets++;
    this.#silence.sent(performance.now());
  }

  report(ended: ProbeReport['ended']): ProbeReport {
    const nowMs = performance.now();
    this.#over(Math.max(0, this.#silence.until(nowMs) - this.ownDelay.at(nowMs)));
    return {
      ...{ fromMs: this.#fromMs, toMs: Date.now(), ended },
      ...this.transport,
      ...{ connections: this.connections, resets: this.#resets },
      ...this.tally,
      ...{ longestGapMs: tenths(this.#longestGapMs), gapCount: this.#gapCount, gaps: this.#gaps },
      ownDelayMs: tenths(this.ownDelay.longestMs),
    };
  }

  #over(gapMs: number): void {
    this.#longestGapMs = Math.max(this.#longestGapMs, gapMs);
    const resets = this.#resets - this.#resetsReported;
    if (gapMs < this.#leastGapMs && resets === 0) return;
    const lostBytes = Math.max(0, this.tally.lostBytes - this.#lostBytesReported);
    const gap = { atMs: Date.now(), gapMs: tenths(gapMs), resets, lostBytes };
    this.#resetsReported = this.#resets;
    this.#lostBytesReported = this.tally.lostBytes;
    this.#gapCount++;
    if (this.#gaps.length < MAX_GAPS) this.#gaps.push(gap);
    this.onGap(gap);
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
