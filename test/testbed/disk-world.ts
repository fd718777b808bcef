/**
 * The agent's code moves a disk between real QEMUs without a guest. QEMU itself writes to the disk, and a buffer holds the
 * expected content.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '#deploy/local/loopback.ts';
import { clearSockets, diskArguments, type QemuFiles, qemuFiles } from '#services/agent/command-line.ts';
import { closeDisk, DiskCopy, serveDisk } from '#services/agent/disk.ts';
import type { InstanceRecord, MoveRecord } from '#services/agent/instance-record.ts';
import { keepDisk, takeKeptDisk } from '#services/agent/kept.ts';
import { createDisk, topLayer } from '#services/agent/layers.ts';
import { end, type ProcessId, run, startDetached } from '#services/agent/process.ts';
import { openQmpOf, type Qmp } from '#services/agent/qmp.ts';
import type { MigrateInfo } from '#services/agent/query-migrate.ts';
import { countWrites, forgetCounts } from '#services/agent/written.ts';
import type { AgentConfig } from '#shared/config/agent.ts';
import { createLog } from '#shared/log.ts';

export const DISK_BYTES = 4 * 2 ** 20;
const STALL_MS = 5000;
const log = createLog('silent');
const PEACE = { creds: '', peer: '' };

/** A write of some bytes of one value. */
export interface Write {
  readonly at: number;
  readonly bytes: number;
  readonly value: number;
}

/** One move, with its writes and faults. */
export interface Hop {
  readonly to: number;
  readonly before: readonly Write[];
  readonly during: readonly Write[];
  readonly late: readonly Write[];
  /** The agent crashes after this number of orders to its QEMU, and another one continues. */
  readonly crashAfter: number | undefined;
  readonly fault: 'none' | 'cancelled' | 'QEMU killed';
}

interface Running {
  readonly id: ProcessId;
  readonly qmp: Qmp;
}

export class DiskWorld {
  /** The number of whole copies, and of partial copies. */
  readonly copies = { whole: 0, partial: 0 };
  readonly #stateDir: string;
  readonly #content = Buffer.alloc(DISK_BYTES);
  readonly #started: ProcessId[] = [];
  #at = 0;
  #vm!: Running;
  #landings = 0;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  async open(): Promise<void> {
    const files = this.#files(this.#at);
    await mkdir(files.folder, { recursive: true });
    await createDisk(files, DISK_BYTES, undefined);
    this.#vm = await this.#start(files, files.disk, []);
  }

  async close(): Promise<void> {
    for (const id of this.#started) await end(id);
    await rm(this.#stateDir, { recursive: true, force: true });
  }

  async hop({ to: step, before, during, late, crashAfter, fault }: Hop): Promise<void> {
    const to = (this.#at + 1 + (step % 2)) % 3;
    for (const write of before) await this.#write(write);
    if (fault === 'QEMU killed') await this.#killAndRestart();
    const token = `t${++this.#landings}`;
    const { receiver, landing } = await this.#receive(to, token);
    const move = { peer: `site${to}`, landing } as unknown as MoveRecord;
    const copy = await this.#copy(move, during, crashAfter);
    if (fault === 'cancelled') {
      await copy.cancel();
      // After a crash, the next agent cancels a second time.
      await new DiskCopy(this.#vm.qmp, STALL_MS, log).cancel();
      await end(receiver.id);
      await rm(this.#files(to).folder, { recursive: true });
    } else {
      for (const write of late) await this.#write(write);
      await this.#switch(copy, receiver, to, token);
    }
    for (const write of late) await this.#write(write);
    await this.#check();
  }

  #files(site: number): QemuFiles {
    return qemuFiles(join(this.#stateDir, `site${site}`));
  }

  async #start(files: QemuFiles, top: string, more: readonly string[]): Promise<Running> {
    await clearSockets(files);
    const args = [
      ...['-nodefaults', '-display', 'none', '-machine', 'q35,accel=tcg', '-m', '32M'],
      ...['-qmp', `unix:${files.monitor},server=on,wait=off`, ...diskArguments(top), ...more],
    ];
    const id = await startDetached('qemu-system-x86_64', args, 'ignore');
    this.#started.push(id);
    const qmp = await openQmpOf(id, files.monitor);
    if (qmp === undefined) throw new Error('QEMU has ended at once');
    return { id, qmp };
  }

  async #io(command: string): Promise<void> {
    const line = `qemu-io -d /machine/peripheral/vda/virtio-backend "${command}"`;
    const output = await this.#vm.qmp.execute<string>('human-monitor-command', { 'command-line': line });
    if (output.trim() !== '') throw new Error(output);
  }

  async #write({ at, bytes, value }: Write): Promise<void> {
    const [from, to] = [at, Math.min(at + bytes, DISK_BYTES)];
    await this.#io(`write -q -P ${value} ${from} ${to - from}`);
    this.#content.fill(value, from, to);
  }

  /** Kills the VM's QEMU, and starts a new one from its disk. */
  async #killAndRestart(): Promise<void> {
    await this.#io('flush');
    await end(this.#vm.id);
    const files = this.#files(this.#at);
    this.#vm = await this.#start(files, (await topLayer(files))!, []);
  }

  async #receive(to: number, token: string) {
    const files = this.#files(to);
    await mkdir(files.folder, { recursive: true });
    const kept = await takeKeptDisk(files, DISK_BYTES);
    if (kept === undefined) await createDisk(files, DISK_BYTES, undefined);
    const receiver = await this.#start(files, files.disk, ['-S', '-incoming', 'defer']);
    const diskPort = (await freePorts(1))[0]!;
    await serveDisk(receiver.qmp, diskPort, false, { creds: '', authz: '' });
    await receiver.qmp.execute('migrate-incoming', { uri: `unix:${files.guest}` });
    const endpoints = [{ provider: 'north', address: '127.0.0.1' }];
    return { receiver, landing: { token, endpoints, diskPort, ...(kept !== undefined && { kept }) } };
  }

  /** The disk step. The migrator repeats its order until the step is done. */
  async #copy(move: MoveRecord, during: readonly Write[], crashAfter = Number.POSITIVE_INFINITY): Promise<DiskCopy> {
    const { qmp } = this.#vm;
    const waiting = [...during];
    let copy = new DiskCopy(crashing(qmp, crashAfter), STALL_MS, log);
    for (;;) {
      try {
        await copy.begin(move, false, PEACE, this.#files(this.#at));
        const { state, failure, sentBytes } = await copy.status();
        if (state === 'failed') throw failure!.reason === CRASH ? new Error(CRASH) : new Error(failure!.reason);
        if (state === 'ready' && waiting.length === 0) {
          this.copies[sentBytes >= DISK_BYTES ? 'whole' : 'partial']++;
          return copy;
        }
      } catch (error) {
        if ((error as Error).message !== CRASH) throw error;
        copy = new DiskCopy(qmp, STALL_MS, log);
      }
      const write = waiting.shift();
      if (write) await this.#write(write);
      else await sleep(2);
    }
  }

  async #switch(copy: DiskCopy, receiver: Running, to: number, token: string): Promise<void> {
    const [here, there] = [this.#files(this.#at), this.#files(to)];
    const source = this.#vm;
    const capabilities = [{ capability: 'pause-before-switchover', state: true }];
    await source.qmp.execute('migrate-set-capabilities', { capabilities });
    await source.qmp.execute('migrate', { uri: `unix:${there.guest}` });
    await until(source.qmp, 'pre-switchover');
    await copy.complete().catch((error: Error) => {
      if (error.message !== CRASH) throw error;
      return new DiskCopy(source.qmp, STALL_MS, log).complete();
    });
    await closeDisk(receiver.qmp);
    await source.qmp.execute('migrate-continue', { state: 'pre-switchover' });
    await until(source.qmp, 'completed');
    await until(receiver.qmp, 'completed');
    await countWrites(receiver.qmp, `site${this.#at}`, token, DISK_BYTES);
    await receiver.qmp.execute('cont');
    await forgetCounts(receiver.qmp, `site${to}`, `site${this.#at}`, token);
    await end(source.id);
    const machine = { spec: { diskBytes: DISK_BYTES } };
    const record = { machine, move: { landing: { token } }, sent: { copy: { state: 'sent' } } };
    const config = { stateDir: this.#stateDir, keptDisksBytes: 1e9 };
    const spared = await keepDisk(here, record as InstanceRecord, config as AgentConfig);
    for (const name of await readdir(here.folder)) {
      const path = join(here.folder, name);
      if (!spared.includes(path)) await rm(path);
    }
    this.#vm = receiver;
    this.#at = to;
  }

  /** Compares the disk with the expected content. */
  async #check(): Promise<void> {
    await this.#io('flush');
    const raw = join(this.#stateDir, 'raw');
    const top = (await topLayer(this.#files(this.#at)))!;
    await run('qemu-img', ['convert', '-U', '-O', 'raw', top, raw]);
    const is = await readFile(raw);
    if (is.equals(this.#content)) return;
    const first = is.findIndex((byte, i) => byte !== this.#content[i]);
    throw new Error(`at byte ${first} the disk has ${is[first]}, but ${this.#content[first]} was written there`);
  }
}

const CRASH = 'the agent has crashed';

/** A monitor that fails after this number of orders. */
function crashing(qmp: Qmp, after: number): Qmp {
  let left = after;
  return {
    ...qmp,
    execute: <T>(command: string, args?: object) =>
      left-- > 0 ? qmp.execute<T>(command, args) : Promise.reject<T>(new Error(CRASH)),
  };
}

async function until(qmp: Qmp, wanted: string): Promise<void> {
  for (let i = 0; ; i++) {
    const { status, 'error-desc': why } = await qmp.execute<MigrateInfo>('query-migrate');
    if (status === wanted) return;
    if (status === 'failed' || i > 2000) throw new Error(`${wanted}: ${status}, ${why}`);
    await sleep(5);
  }
}
