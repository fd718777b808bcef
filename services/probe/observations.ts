import type { Frame } from './frames.ts';
import { OwnDelay, Silence } from './silence.ts';
import type { Transport } from './transport.ts';
import type { Tally } from './verifier.ts';

/** Something that went wrong for a client, when it is over. */
export interface Gap {
  /** The end of the gap, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly gapMs: number;
  /** Connections that were lost in it: ended, by the other side or by the network, without being asked to. */
  readonly resets: number;
  /** Bytes that were found lost since the last gap. */
  readonly lostBytes: number;
}

/** All that a probe has seen. */
export interface ProbeReport extends Readonly<Tally>, Transport {
  readonly fromMs: number;
  readonly toMs: number;
  /** `lost`: the connection ended by itself, and no other was to be made. */
  readonly ended: 'stopped' | 'lost';
  readonly connections: number;
  readonly resets: number;
  /** Of all gaps, however short. */
  readonly longestGapMs: number;
  /** How many were as long as those that are told. */
  readonly gapCount: number;
  /** The first thousand of them. */
  readonly gaps: readonly Gap[];
  /** The longest that the probe itself was late; gaps are credited only beyond what it was late at their end. */
  readonly ownDelayMs: number;
}

const MAX_GAPS = 1000;

/** What a probe sees, over all its connections. */
export class Observations {
  readonly tally: Tally = { sentBytes: 0, intactBytes: 0, lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 };
  readonly ownDelay = new OwnDelay();
  /** Told of each gap. */
  told: (gap: Gap) => void = () => {};
  transport: Transport = { transport: 'unknown', subflows: 0 };
  connections = 0;
  readonly #leastGapMs: number;
  readonly #silence = new Silence();
  readonly #fromMs = Date.now();
  readonly #gaps: Gap[] = [];
  #gapCount = 0;
  #longestGapMs = 0;
  #resets = 0;
  #resetsTold = 0;
  #lostBytesTold = 0;

  /** @param leastGapMs shorter gaps are not told */
  constructor(leastGapMs: number) {
    this.#leastGapMs = leastGapMs;
  }

  sent({ sentMs }: Frame): void {
    this.#silence.sent(sentMs);
  }

  /** @param next the oldest other message that is waited for */
  echoed({ sentMs }: Frame, next: Frame | undefined): void {
    const nowMs = performance.now();
    this.#over(this.#silence.echo(nowMs, sentMs, next?.sentMs, this.ownDelay.at(nowMs)));
  }

  /** A connection has ended without being asked to. From now on echoes are owed, though nothing can be sent. */
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
    const resets = this.#resets - this.#resetsTold;
    if (gapMs < this.#leastGapMs && resets === 0) return;
    const lostBytes = Math.max(0, this.tally.lostBytes - this.#lostBytesTold);
    const gap = { atMs: Date.now(), gapMs: tenths(gapMs), resets, lostBytes };
    this.#resetsTold = this.#resets;
    this.#lostBytesTold = this.tally.lostBytes;
    this.#gapCount++;
    if (this.#gaps.length < MAX_GAPS) this.#gaps.push(gap);
    this.told(gap);
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
