/**
 * The log of a QEMU, with an upper size that holds also while no agent runs: another process reads what QEMU prints. It writes the
 * beginning at once, and the end when QEMU has ended. QEMU itself has no file that it could fill.
 */
import { spawn } from 'node:child_process';
import { open, rename, stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { until } from '#shared/clock/retry.ts';
import { asReader } from './confinement.ts';
import { spawned } from './process.ts';

/** How much of the beginning is kept: that many reads of at most `PIECE_BYTES`. */
const PIECES = 256;
const PIECE_BYTES = 512;
/** How much of the end is kept. */
const END_BYTES = 16 * 2 ** 10;
/** The most bytes of a log. */
export const LOG_BYTES = PIECES * PIECE_BYTES + END_BYTES;

const READ = `dd bs=${PIECE_BYTES} count=${PIECES} status=none; exec tail -c ${END_BYTES}`;
/** What QEMU printed last is in its log this soon after its end. */
const SETTLED_MS = 2_000;

/** A log that is open for a new QEMU. */
export interface BoundedLog {
  /** The standard output of the new QEMU. To be closed once QEMU has it. */
  readonly input: Socket;
  /** The process that writes the log. It ends with QEMU. */
  readonly pid: number;
}

/** Begins a new log. The log before it is kept as `qemu.log.old`. */
export async function openBoundedLog(path: string): Promise<BoundedLog> {
  await rename(path, `${path}.old`).catch(() => {});
  const file = await open(path, 'wx', 0o600);
  try {
    const { program, args } = asReader('sh', ['-c', READ]);
    const child = spawn(program, args, { detached: true, stdio: ['pipe', file.fd, 'ignore'] });
    await spawned(child);
    child.unref();
    return { input: child.stdin as Socket, pid: child.pid! };
  } finally {
    await file.close();
  }
}

/** Waits until what an ended QEMU printed last is in its log. */
export async function settledLog(path: string): Promise<void> {
  let before = 0;
  const isSettled = async () => {
    const bytes = (await stat(path).catch(() => undefined))?.size ?? 0;
    const same = bytes > 0 && bytes === before;
    before = bytes;
    return same;
  };
  await until(isSettled, { everyMs: 20, withinMs: SETTLED_MS });
}
