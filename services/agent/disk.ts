/**
 * The copy of a disk that the sites do not share: mirrored over NBD while the VM runs (QEMU's
 * docs/interop/live-block-operations.rst). The destination's NBD server has to stop before the last of the memory is sent,
 * otherwise two QEMUs write the image.
 *
 * Where the destination has kept the disk since the VM left it, only what was written since then is sent. QEMU 10.0's mirror
 * takes no bitmap. Its backup does, but the guest's writes wait for the far end and fail with it. So the source first puts a
 * layer above the image: below it nothing changes any more, and the backup delays no write. After the backup a mirror of the
 * layer alone follows, which writes to both ends. Backup and mirror never write at the same time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import type { CopyStatus } from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';
import { foreignText } from '#shared/text.ts';
import type { QemuFiles } from './command-line.ts';
import type { MoveRecord } from './instance-record.ts';
import { createOverlay, exists } from './layers.ts';
import { ANY_ADDRESS, type ServerTls, type Tls, tcp } from './migration-settings.ts';
import { type Qmp, QmpError } from './qmp.ts';
import { boundedNumber } from './query-migrate.ts';
import { carryCounts, writtenSince } from './written.ts';

/**
 * Destination: serves the disk to the source, which writes to it.
 * @throws QmpError where the port is taken; then nothing was done
 */
export async function serveDisk(qmp: Qmp, port: number, mptcp: boolean, { creds, authz }: ServerTls): Promise<void> {
  // This command alone still takes the address in an older form.
  const data = { host: ANY_ADDRESS, port: `${port}`, ...(mptcp && { mptcp }) };
  const tls = creds !== '' && { 'tls-creds': creds, 'tls-authz': authz };
  await qmp.execute('nbd-server-start', { addr: { type: 'inet', data }, ...tls });
  await carryCounts(qmp);
  await qmp.execute('block-export-add', {
    type: 'nbd',
    id: 'export0',
    'node-name': 'disk0',
    writable: true,
    name: 'disk0',
  });
}

/** Destination: stops serving the disk. Harmless when repeated. */
export async function closeDisk(qmp: Qmp): Promise<void> {
  await qmp.execute('nbd-server-stop').catch(() => {});
}

const CONNECT_TRIES = 3;
const POLL_MS = 20;

/** The two jobs: the backup of what was written before the copy, where that is enough; and the mirror. */
const BACKUP = 'backup0';
const MIRROR = 'mirror0';
/** The bitmap that names what the backup sends. */
const DELTA = { node: 'image0', name: 'delta0' };

interface Job {
  readonly id: string;
  readonly status: string;
  readonly 'current-progress': number;
  readonly 'total-progress': number;
  readonly error?: string;
}

/** Source: one copy of a disk. Owns the block jobs `backup0` and `mirror0`, and the node `far0`, which is the far end. */
export class DiskCopy {
  readonly #qmp: Qmp;
  readonly #log: Log;
  /** The jobs as they were last seen: their bytes still count when a job is gone. */
  readonly #seen = new Map<string, Job>();
  #movedAtMs = performance.now();
  readonly #begunMs = performance.now();
  readonly #stallMs: number;
  #following = false;
  /** True once this object began the copy, or found it under way. */
  #isWatched = false;
  #isOff = false;
  #failure: Error | undefined;

  constructor(qmp: Qmp, stallMs: number, log: Log) {
    this.#qmp = qmp;
    this.#log = log;
    this.#stallMs = stallMs;
  }

  /**
   * Begins the copy, or watches the one that is under way.
   * @throws QmpError, TagalongError QEMU_GONE, QEMU_SILENT
   */
  async begin({ landing, peer }: MoveRecord, mptcp: boolean, tls: Tls, files: QemuFiles): Promise<void> {
    if (await this.resume()) return;
    const qmp = this.#qmp;
    await carryCounts(qmp);
    const server = tcp(landing.endpoints[0]!.address, landing.diskPort, mptcp);
    await this.#connect({ server, ...(tls.creds && { 'tls-creds': tls.creds, 'tls-hostname': tls.peer }) });
    // A layer is left from a copy that was begun before; the VM may run on it. It can be added only once.
    const { kept } = landing;
    const written = kept && !(await exists(files.overlay)) ? await writtenSince(qmp, peer, kept) : undefined;
    if (written === undefined) return this.#mirror('full');
    await createOverlay(files);
    const file = { driver: 'file', filename: files.overlay };
    await qmp.execute('blockdev-add', { 'node-name': 'layer0', driver: 'qcow2', file, backing: null });
    await qmp.execute('blockdev-snapshot', { node: DELTA.node, overlay: 'layer0' });
    // After the layer, so that a write in between is sent twice and not left out.
    const { name, granularity } = written;
    await qmp.execute('block-dirty-bitmap-add', { ...DELTA, granularity, disabled: true });
    const merge = { node: DELTA.node, target: DELTA.name, bitmaps: [{ node: 'disk0', name }] };
    await qmp.execute('block-dirty-bitmap-merge', merge);
    await qmp.execute('blockdev-backup', {
      ...{ 'job-id': BACKUP, device: DELTA.node, target: 'far0', sync: 'bitmap', bitmap: DELTA.name },
      ...{ 'bitmap-mode': 'never', 'auto-dismiss': false },
    });
    this.#log.info(
      { before: 'none', after: 'backup', granularity },
      'the disk copy begins with what was written since',
    );
    void this.#thenMirror();
  }

  /** Goes on with a copy that an agent before this one began. @returns false where there is none */
  async resume(): Promise<boolean> {
    const { backup, mirror } = await this.#look();
    const job = mirror ?? backup;
    if (job !== undefined && !this.#isWatched)
      this.#log.info({ job: job.id, ...this.#figures }, 'the disk copy is watched again');
    this.#isWatched = true;
    if (backup && !mirror) void this.#thenMirror();
    return job !== undefined;
  }

  /** How far the copy is, in bytes and bytes a second. Never throws. */
  async status(): Promise<CopyStatus> {
    const before = this.#sentBytes;
    let silence = this.#failure;
    const { backup, mirror } = await this.#look().catch((error: Error) => {
      silence = error;
      return { backup: undefined, mirror: undefined };
    });
    const sentBytes = this.#sentBytes;
    const nowMs = performance.now();
    if (sentBytes > before) this.#movedAtMs = nowMs;
    const base = {
      sentBytes,
      remainingBytes: Math.max(0, this.#sum('total-progress') - sentBytes),
      rounds: 0,
      rateBps: boundedNumber((sentBytes / Math.max(1, nowMs - this.#begunMs)) * 1000, 1e12),
    };
    const failed = (code: string, reason: string) => ({ ...base, state: 'failed' as const, failure: { code, reason } });
    // The state of the VM is reported also where its QEMU is gone.
    if (silence) return failed(silence instanceof TagalongError ? 'QEMU_GONE' : 'COPY_FAILED', silence.message);
    const job = mirror ?? backup;
    if (job === undefined) return failed('COPY_FAILED', 'the mirror is gone');
    if (job.error !== undefined) return failed('COPY_FAILED', foreignText(job.error));
    if (mirror?.status === 'ready') return { ...base, state: 'ready' };
    const isOver = mirror?.status === 'concluded' || mirror?.status === 'null';
    if (isOver) return failed('COPY_FAILED', 'the mirror ended early');
    if (nowMs - this.#movedAtMs > this.#stallMs)
      return failed('STALLED', `no byte of the disk was sent for ${this.#stallMs} ms`);
    return { ...base, state: 'copying' };
  }

  /** Ends the mirror with both sides equal; the VM has to stand still. @throws TagalongError COPY_FAILED */
  async complete(): Promise<void> {
    const { backup, mirror } = await this.#look();
    if (backup && !mirror)
      throw new TagalongError(
        'COPY_FAILED',
        'disk: the backup is still under way; complete the copy when its status is ready',
      );
    // Without force: what is in flight is written first.
    await this.#end(false);
    this.#log.info({ before: 'mirror', after: 'none', ...this.#figures }, 'the disk copy is complete');
  }

  /** Ends the copy as it is. Harmless where there is none. */
  async cancel(): Promise<void> {
    if (!this.#isOff) this.#log.info(this.#figures, 'the disk copy is cancelled');
    this.#isOff = true;
    // Otherwise QEMU waits for what is in flight over a dead path, and the guest's own writes wait behind it.
    const instances = [{ type: 'block-node', 'node-name': 'far0' }];
    await this.#qmp.execute('yank', { instances }).catch(() => {});
    await this.#end(true).catch(() => {});
    await this.#qmp.execute('block-dirty-bitmap-remove', DELTA).catch(() => {});
  }

  /** Waits for the backup, then mirrors the layer. `status` reports why it failed. */
  async #thenMirror(): Promise<void> {
    if (this.#following) return;
    this.#following = true;
    try {
      // Not `until`: a backup that is gone or has failed ends the whole function.
      for (;;) {
        const { backup } = await this.#look();
        if (backup === undefined || backup.error !== undefined) return;
        if (backup.status === 'concluded') break;
        await sleep(POLL_MS);
      }
      // Otherwise the bitmap is sent along with the memory.
      await this.#qmp.execute('block-dirty-bitmap-remove', DELTA).catch(() => {});
      if (this.#isOff) return;
      await this.#mirror('top');
      // Last: a backup without a mirror tells the agent after a crash that the mirror is to come next.
      await this.#qmp.execute('job-dismiss', { id: BACKUP });
    } catch (error) {
      this.#failure = error as Error;
      this.#log.warn({ err: error, ...this.#figures }, 'the disk copy is given up: no mirror follows the backup');
    } finally {
      this.#following = false;
    }
  }

  /** @param sync all of the disk, or only the layer at its top */
  async #mirror(sync: 'full' | 'top'): Promise<void> {
    await this.#qmp.execute('blockdev-mirror', {
      ...{ 'job-id': MIRROR, device: 'disk0', target: 'far0', sync, 'auto-dismiss': false },
      // After the first pass the guest's writes go to both ends, so that a busy disk converges.
      'copy-mode': 'write-blocking',
    });
    const before = sync === 'top' ? 'backup' : 'none';
    this.#log.info({ before, after: 'mirror', sync, ...this.#figures }, 'the disk is mirrored');
  }

  async #connect(to: object): Promise<void> {
    // Left over from an agent that ended before the copy began.
    await this.#qmp.execute('blockdev-del', { 'node-name': 'far0' }).catch(() => {});
    await this.#qmp.execute('block-dirty-bitmap-remove', DELTA).catch(() => {});
    // Not `retry`: each failure but the last is logged.
    for (let tries = 1; ; tries++) {
      try {
        await this.#qmp.execute('blockdev-add', { 'node-name': 'far0', driver: 'nbd', export: 'disk0', ...to });
        return;
      } catch (error) {
        // The receiver sometimes ends the first connection during its handshake (QEMU 10.0.2, about once in 60 moves).
        if (tries === CONNECT_TRIES || !(error instanceof QmpError)) throw error;
        this.#log.info({ err: error, tries, of: CONNECT_TRIES }, 'the disk copy connects again');
        await sleep(100);
      }
    }
  }

  async #end(force: boolean): Promise<void> {
    await this.#endJob(BACKUP, force);
    await this.#endJob(MIRROR, force);
    await this.#qmp.execute('blockdev-del', { 'node-name': 'far0' }).catch(() => {});
  }

  async #endJob(id: string, force: boolean): Promise<void> {
    const qmp = this.#qmp;
    if (!(await this.#find(id))) return;
    await qmp.execute('block-job-cancel', { device: id, force }).catch(() => {});
    const isGone = async () => {
      const job = await this.#find(id);
      if (job?.status !== 'concluded') return job === undefined;
      if (job.error !== undefined && !force)
        throw new TagalongError('COPY_FAILED', `disk: QEMU could not copy it: ${foreignText(job.error)}`);
      await qmp.execute('job-dismiss', { id });
      return true;
    };
    // The VM stands still meanwhile.
    if (await until(isGone, { everyMs: 2, withinMs: this.#stallMs })) return;
    throw new TagalongError(
      'COPY_FAILED',
      `disk: the last writes did not arrive within ${this.#stallMs} ms; check the paths between the sites`,
    );
  }

  async #look(): Promise<{ readonly backup: Job | undefined; readonly mirror: Job | undefined }> {
    const jobs = (await this.#qmp.execute<Job[]>('query-jobs')).filter(({ id }) => id === BACKUP || id === MIRROR);
    for (const job of jobs) this.#seen.set(job.id, job);
    return { backup: jobs.find(({ id }) => id === BACKUP), mirror: jobs.find(({ id }) => id === MIRROR) };
  }

  async #find(which: string): Promise<Job | undefined> {
    const { backup, mirror } = await this.#look();
    return which === BACKUP ? backup : mirror;
  }

  #sum(progress: 'current-progress' | 'total-progress'): number {
    return [...this.#seen.values()].reduce((sum, job) => sum + boundedNumber(job[progress]), 0);
  }

  /** Figures for the log. */
  get #figures() {
    const sentBytes = this.#sentBytes;
    return { sentBytes, remainingBytes: Math.max(0, this.#sum('total-progress') - sentBytes) };
  }

  get #sentBytes(): number {
    return this.#sum('current-progress');
  }
}
