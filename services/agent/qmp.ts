/**
 * A client of QEMU's monitor: JSON lines over a Unix socket (QEMU's docs/interop/qmp-spec.rst). QEMU serves one client at a time.
 * After a crash the next agent gets the monitor at once, because the socket was closed with the process.
 */
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import { foreignText } from '#shared/text.ts';
import { readLines } from './lines.ts';
import { isAlive, type ProcessId } from './process.ts';

/** An event that QEMU sends by itself. `atMs`: when it happened, by the host's clock, in milliseconds since the epoch. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

/** An open monitor. */
export interface Qmp {
  /**
   * Executes one command.
   * @returns what QEMU returns; its shape is not checked
   * @throws QmpError where QEMU refuses
   * @throws TagalongError QEMU_GONE where the monitor is closed, QEMU_SILENT where it does not answer in time
   */
  execute<T = Record<string, unknown>>(command: string, args?: object): Promise<T>;
  /** Calls the listener for each event, in order, until the monitor is closed. */
  onEvent(listener: (event: QmpEvent) => void): void;
  /** Resolves when the monitor is closed, by whichever side. */
  readonly closed: Promise<void>;
  readonly isOpen: boolean;
  close(): void;
}

/** A command that QEMU refused, with QEMU's error class. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
  readonly qmpClass: string;

  constructor(command: string, qmpClass: string, description: string) {
    super(`${command}: ${foreignText(description)}`);
    this.qmpClass = qmpClass;
  }
}

interface Message {
  readonly QMP?: object;
  readonly event?: string;
  readonly data?: Record<string, unknown>;
  readonly timestamp?: { readonly seconds: number; readonly microseconds: number };
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

interface Pending {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout;
}

/** The greeting and the negotiation, which precede the first command. */
interface Opening {
  readonly greeted: Promise<void>;
  negotiate(): Promise<void>;
}

/** QEMU under software emulation on a busy host may be slow; after this time it counts as hanging. */
const ANSWER_MS = 20_000;
/** The longest line accepted. The list of all block nodes has some kilobytes. */
const LINE_BYTES = 2 ** 20;
/** The last millisecond of the year 9999. */
const LAST_MS = 253_402_300_799_999;

/**
 * Opens the monitor at `path` and negotiates.
 * @param outOfBand QEMU executes commands also while its main loop is blocked; it accepts only a few of them that way
 * @throws TagalongError QEMU_GONE where no QEMU listens there
 */
export async function openQmp(path: string, outOfBand = false): Promise<Qmp> {
  const socket = createConnection(path);
  const qmp = client(socket, path, outOfBand);
  try {
    await qmp.greeted;
    await qmp.negotiate();
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return qmp;
}

/** Opens the monitor of a QEMU that may have just started; waits five seconds for it. Undefined where that QEMU is gone. */
export async function openQmpOf(process: ProcessId, path: string): Promise<Qmp | undefined> {
  // Not `retry`: whether QEMU lives is asked before each attempt, and takes time itself.
  for (let i = 0; await isAlive(process); i++) {
    try {
      return await openQmp(path);
    } catch (error) {
      // A QEMU that has just started has no monitor yet.
      if (i > 500) throw error;
      await sleep(10);
    }
  }
  return undefined;
}

/** When an event happened; now, where it has no valid time. */
function stampOf({ timestamp }: Message): number {
  const atMs = Number(timestamp?.seconds) * 1000 + Number(timestamp?.microseconds) / 1000;
  return atMs >= 0 && atMs <= LAST_MS ? atMs : Date.now();
}

function client(socket: Socket, path: string, outOfBand: boolean): Qmp & Opening {
  const pending = new Map<number, Pending>();
  const listeners: ((event: QmpEvent) => void)[] = [];
  const greeting = Promise.withResolvers<void>();
  const closing = Promise.withResolvers<void>();
  let lastId = 0;
  let isOpen = true;

  const gone = () =>
    new TagalongError('QEMU_GONE', `${path}: the monitor is closed; QEMU may have ended, read its log`);
  const take = (line: string) => {
    const message = JSON.parse(line) as Message;
    if (message.QMP) return greeting.resolve();
    if (message.event !== undefined) {
      const event = { event: message.event, data: message.data ?? {}, atMs: stampOf(message) };
      for (const listener of listeners) listener(event);
      return;
    }
    const asked = pending.get(message.id!);
    if (asked === undefined) return;
    const { error } = message;
    const refusal = error !== undefined && new QmpError(asked.command, error.class, error.desc);
    pending.delete(message.id!);
    clearTimeout(asked.timer);
    if (refusal) asked.reject(refusal);
    else asked.resolve(message.return);
  };
  // A QEMU that sends anything but lines of JSON is under its guest's control: the monitor is closed as if QEMU were gone.
  readLines(socket, { lineBytes: LINE_BYTES }, (line) => {
    if (line.trim() !== '') take(line);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isOpen = false;
    greeting.reject(gone());
    for (const { reject, timer } of pending.values()) {
      clearTimeout(timer);
      reject(gone());
    }
    pending.clear();
    closing.resolve();
  });

  const send = <T>(kind: 'execute' | 'exec-oob', command: string, args?: object): Promise<T> => {
    if (!isOpen) return Promise.reject(gone());
    const id = ++lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      pending.delete(id);
      reject(
        new TagalongError(
          'QEMU_SILENT',
          `${path}: QEMU did not answer ${command} within ${ANSWER_MS} ms; look at the load of the host`,
        ),
      );
    }, ANSWER_MS);
    pending.set(id, { command, resolve, reject, timer });
    socket.write(`${JSON.stringify({ [kind]: command, ...(args && { arguments: args }), id })}\n`);
    return promise as Promise<T>;
  };

  return {
    greeted: greeting.promise,
    async negotiate() {
      await send('execute', 'qmp_capabilities', outOfBand ? { enable: ['oob'] } : undefined);
    },
    closed: closing.promise,
    get isOpen() {
      return isOpen;
    },
    execute: (command, args) => send(outOfBand ? 'exec-oob' : 'execute', command, args),
    onEvent: (listener) => void listeners.push(listener),
    close: () => socket.destroy(),
  };
}

/** The RunState of QEMU's VM (`query-status`), such as `running`, `paused` or `postmigrate`. @throws as `execute` */
export async function runState(qmp: Qmp): Promise<string> {
  return (await qmp.execute<{ status: string }>('query-status')).status;
}

/** True: the VM's processors run. */
export async function isRunning(qmp: Qmp): Promise<boolean> {
  return (await runState(qmp)) === 'running';
}
