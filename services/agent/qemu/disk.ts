/**
 * A disk that the sites do not share: mirrored over NBD while the VM runs, in the order that was found to work (the
 * destination's NBD server is stopped before the last of the memory is sent, or the image is written by two).
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { CopyStatus, Landing } from '#shared/hypervisor/qemu/protocol.ts';
import { type Tls, tcp } from './memory.ts';
import { run } from './process.ts';
import { type Qmp, QmpError } from './qmp.ts';

/** Makes a disk: a copy of an image, or an empty one. */
export async function createDisk(path: string, diskBytes: number, image: string | undefined): Promise<void> {
  await rm(path, { force: true });
  if (image) {
    await run('qemu-img', ['convert', '-O', 'qcow2', image, path]);
    await run('qemu-img', ['resize', '-q', path, `${diskBytes}`]);
  } else await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, `${diskBytes}`]);
}

/** Destination: takes the disk in. */
export async function serveDisk(qmp: Qmp, port: number, mptcp: boolean, creds: string): Promise<void> {
  // The one command that still wants the address wrapped in an older form.
  const data = { host: '0.0.0.0', port: `${port}`, ...(mptcp && { mptcp }) };
  await qmp.execute('nbd-server-start', { addr: { type: 'inet', data }, ...(creds && { 'tls-creds': creds }) });
  await qmp.execute('block-export-add', {
    type: 'nbd',
    id: 'export0',
    'node-name': 'disk0',
    writable: true,
    name: 'disk0',
  });
}

/** Destination: takes no more of it. Harmless where it was done. */
export async function closeDisk(qmp: Qmp): Promise<void> {
  await qmp.execute('nbd-server-stop').catch(() => {});
}

const CONNECT_TRIES = 3;

interface Job {
  readonly id: string;
  readonly status: string;
  readonly 'current-progress': number;
  readonly 'total-progress': number;
  readonly error?: string;
}

/** Source: the disk on its way. */
export class DiskCopy {
  readonly #qmp: Qmp;
  #job: Job | undefined;
  #movedAtMs = performance.now();
  readonly #begunMs = performance.now();
  readonly #stallMs: number;

  constructor(qmp: Qmp, stallMs: number) {
    this.#qmp = qmp;
    this.#stallMs = stallMs;
  }

  /** Begins, or watches what is under way. */
  async begin({ endpoints, diskPort }: Landing, mptcp: boolean, { creds, peer }: Tls): Promise<void> {
    if (await this.#find()) return;
    const server = tcp(endpoints[0]!.address, diskPort, mptcp);
    const tls = creds ? { 'tls-creds': creds, 'tls-hostname': peer } : {};
    // Left by an agent that ended before it began the mirror.
    await this.#qmp.execute('blockdev-del', { 'node-name': 'far0' }).catch(() => {});
    const far = { 'node-name': 'far0', driver: 'nbd', server, export: 'disk0', ...tls };
    for (let tries = 1; ; tries++) {
      try {
        await this.#qmp.execute('blockdev-add', far);
        break;
      } catch (error) {
        // The receiver sometimes ends the first connection during its handshake (QEMU 10.0.2, about once in 60 moves).
        if (tries === CONNECT_TRIES || !(error instanceof QmpError)) throw error;
        await sleep(100);
      }
    }
    await this.#qmp.execute('blockdev-mirror', {
      'job-id': 'mirror0',
      device: 'disk0',
      target: 'far0',
      sync: 'full',
      // The guest's writes go to both once the first pass is over it: a busy disk converges.
      'copy-mode': 'write-blocking',
      'auto-dismiss': false,
    });
  }

  /** How far it is. */
  async status(): Promise<CopyStatus> {
    const before = this.#job?.['current-progress'] ?? 0;
    let silence: Error | undefined;
    const job = await this.#find().catch((error: Error) => {
      silence = error;
      return undefined;
    });
    const sentBytes = job?.['current-progress'] ?? before;
    const nowMs = performance.now();
    if (sentBytes > before) this.#movedAtMs = nowMs;
    const base = {
      sentBytes,
      remainingBytes: Math.max(0, (job?.['total-progress'] ?? 0) - sentBytes),
      rounds: 0,
      rateBps: (sentBytes / Math.max(1, nowMs - this.#begunMs)) * 1000,
    };
    const failed = (code: string, reason: string) => ({ ...base, state: 'failed' as const, failure: { code, reason } });
    // What is true of the VM can be said also where its QEMU is no more.
    if (silence) return failed('QEMU_GONE', silence.message);
    if (job === undefined) return failed('COPY_FAILED', 'the mirror is no more');
    if (job.error !== undefined) return failed('COPY_FAILED', job.error);
    if (job.status === 'ready') return { ...base, state: 'ready' };
    if (job.status === 'concluded' || job.status === 'null') return failed('COPY_FAILED', 'the mirror ended early');
    if (nowMs - this.#movedAtMs > this.#stallMs) return failed('STALLED', 'the disk gets no further');
    return { ...base, state: 'copying' };
  }

  /** Ends the mirror with both sides equal; the VM stands still. */
  async complete(): Promise<void> {
    // Graceful: what is in flight is written first.
    await this.#end(false);
  }

  /** Ends the mirror as it is. Harmless where there is none. */
  async cancel(): Promise<void> {
    // What is in flight over a dead path would be waited for, and the guest's own writes behind it.
    const instances = [{ type: 'block-node', 'node-name': 'far0' }];
    await this.#qmp.execute('yank', { instances }).catch(() => {});
    await this.#end(true).catch(() => {});
  }

  async #end(force: boolean): Promise<void> {
    const qmp = this.#qmp;
    if (await this.#find()) {
      await qmp.execute('block-job-cancel', { device: 'mirror0', force }).catch(() => {});
      for (const beganMs = performance.now(); ; ) {
        const job = await this.#find();
        if (job === undefined) break;
        if (job.status === 'concluded') {
          if (job.error !== undefined && !force) throw new TagalongError('COPY_FAILED', `disk: ${job.error}`);
          await qmp.execute('job-dismiss', { id: 'mirror0' });
          break;
        }
        // The VM stands still meanwhile.
        if (performance.now() - beganMs > this.#stallMs) {
          throw new TagalongError('COPY_FAILED', 'disk: what was on its way does not arrive');
        }
        await sleep(2);
      }
    }
    await qmp.execute('blockdev-del', { 'node-name': 'far0' }).catch(() => {});
  }

  async #find(): Promise<Job | undefined> {
    const jobs = await this.#qmp.execute<Job[]>('query-jobs');
    const job = jobs.find(({ id }) => id === 'mirror0');
    if (job) this.#job = job;
    return job;
  }
}
