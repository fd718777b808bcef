/**
 * Post-copy: the VM runs at its destination while what is missing of its memory follows, and a page that it needs is sent
 * at once. Once QEMU has begun with it there is only forward: nothing is called off, and the source lets it run no more.
 *
 * A path that breaks is mended over another: both QEMUs let go of the connection, the destination waits at a new port, and
 * the source goes on sending there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { Endpoint, InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import { isPostCopy, type MemoryCopy, type MigrateInfo, NO_LIMIT_BPS, tcp, untilStopped } from './memory.ts';
import { isRunning, type Qmp, QmpError } from './qmp.ts';

/** Less than the paths carry: what fills their queues is waited for by each page that the VM needs at once. */
const BACKGROUND_SHARE = 0.8;
/** How long QEMU may take to let go of a connection, or to make one. */
const TURN_MS = 10_000;
/** A destination that waits for a page answers nobody. */
const SILENT_MS = 300;

const statusOf = async (qmp: Qmp) => (await qmp.execute<MigrateInfo>('query-migrate')).status ?? 'none';

/**
 * Source: stops the VM so that post-copy can begin; it may still be taken back.
 * @throws TagalongError COPY_FAILED
 */
export async function stopForPostCopy(qmp: Qmp, copy: MemoryCopy, abandoned: () => boolean): Promise<void> {
  await copy.look();
  const { state, rateBps } = copy.status;
  if (state !== 'stopped' && state !== 'sent') {
    // Stopped by us, and not by QEMU, which would let it run again by itself should anything fail.
    await qmp.execute('stop');
    await qmp.execute('migrate-set-parameters', {
      'max-bandwidth': NO_LIMIT_BPS,
      'max-postcopy-bandwidth': Math.max(1, Math.round(BACKGROUND_SHARE * rateBps)),
    });
    await qmp.execute('migrate-start-postcopy');
  }
  await untilStopped(copy, abandoned, () => {
    throw new TagalongError('COPY_FAILED', 'QEMU does not begin with post-copy');
  });
}

/**
 * Source: sends all but the missing memory. Must be written down as handed over before.
 * @throws TagalongError COPY_FAILED: QEMU has not begun, and it may be taken back once the destination has given it up
 */
export async function beginPostCopy(qmp: Qmp, copy: MemoryCopy, abandoned: () => boolean): Promise<void> {
  for (let told = false; ; await sleep(2)) {
    const status = await statusOf(qmp);
    if (isPostCopy(status) || status === 'completed') break;
    if (status === 'pre-switchover' && !told) {
      told = true;
      await qmp.execute('migrate-continue', { state: 'pre-switchover' });
    }
    await copy.look();
    const { failure } = copy.status;
    if (failure) throw new TagalongError('COPY_FAILED', failure.reason);
    if (abandoned()) throw new TagalongError('COPY_FAILED', 'it was called off');
  }
  await copy.look();
}

/**
 * Source: goes on sending over a new connection.
 * @param endpoints of the destination, the first that answers first
 * @throws TagalongError STALLED where that does not come about
 */
export async function reconnect(qmp: Qmp, endpoints: readonly Endpoint[], port: number, mptcp: boolean): Promise<void> {
  const untilMs = performance.now() + TURN_MS;
  const until = async (isSo: (status: string) => boolean) => {
    for (; ; await sleep(10)) {
      if (isSo(await statusOf(qmp))) return;
      if (performance.now() > untilMs) throw new TagalongError('STALLED', 'QEMU does not change its connection');
    }
  };
  if ((await statusOf(qmp)) === 'postcopy-active') await qmp.execute('migrate-pause');
  await until((status) => status === 'postcopy-paused' || status === 'completed');
  if ((await statusOf(qmp)) === 'completed') return;
  const addr = { ...tcp(endpoints[0]!.address, port, mptcp), transport: 'socket' };
  await qmp.execute('migrate', { channels: [{ 'channel-type': 'main', addr }], resume: true });
  await until((status) => !status.startsWith('postcopy-recover'));
}

/** Destination: a VM that runs here, not all of whose memory may be here. */
export class Arrival {
  readonly #qmp: Qmp;
  /** A monitor of its own for what is carried out also while QEMU waits for a page. */
  readonly #urgent: Qmp;
  #isWhole = false;
  #asked: Promise<void> | undefined;
  #isRunning = true;

  constructor(qmp: Qmp, urgent: Qmp) {
    this.#qmp = qmp;
    this.#urgent = urgent;
  }

  /** What is true of it. One that does not answer waits for a page: it runs. */
  async status(): Promise<Required<Pick<InstanceStatus, 'state' | 'postCopy'>>> {
    // One question at a time: each waits until QEMU answers again.
    this.#asked ??= this.#ask().finally(() => {
      this.#asked = undefined;
    });
    await Promise.race([this.#asked, sleep(SILENT_MS)]);
    return { state: this.#isRunning ? 'running' : 'stopped', postCopy: this.#isWhole ? 'whole' : 'under-way' };
  }

  /**
   * Lets go of the connection, and waits for the source at another port.
   * @throws TagalongError ORDER_REFUSED where QEMU does not, as when nothing is missing any more
   */
  async recover(port: number, mptcp: boolean): Promise<void> {
    const uri = `tcp:0.0.0.0:${port}${mptcp ? ',mptcp' : ''}`;
    for (const untilMs = performance.now() + TURN_MS; ; await sleep(50)) {
      // It may have let go by itself.
      await this.#urgent.execute('migrate-pause').catch(() => {});
      try {
        await this.#urgent.execute('migrate-recover', { uri });
        return;
      } catch (error) {
        if (!(error instanceof QmpError) || this.#isWhole || performance.now() > untilMs) {
          throw new TagalongError('ORDER_REFUSED', (error as Error).message);
        }
      }
    }
  }

  close(): void {
    this.#urgent.close();
  }

  async #ask(): Promise<void> {
    try {
      this.#isWhole ||= (await statusOf(this.#qmp)) === 'completed';
      this.#isRunning = await isRunning(this.#qmp);
    } catch {
      // Silence says nothing new; whether QEMU lives is asked elsewhere.
    }
  }
}
