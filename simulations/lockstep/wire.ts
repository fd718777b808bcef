/** The messages between a conductor and the processes that follow it: JSON, one a line, over TCP on the loopback. */
import type { Socket } from 'node:net';
import type { ErrorCode } from '#shared/errors.ts';
import type { EventType, Phase, VmSpec } from '#shared/events/index.ts';
import type { Move, Report } from '#shared/hypervisor/hypervisor.ts';
import type { Announced } from './outstanding.ts';

/** A message of a process. */
export type FromFollower =
  /** The first line: the name of the process, and the token that the conductor gave it at its start. */
  | { readonly kind: 'hello'; readonly name: string; readonly token: string }
  /** It takes part, and answers requests there. */
  | { readonly kind: 'started'; readonly url: string }
  /** A group has a member here; `own`: the group is this process's alone. */
  | { readonly kind: 'joined'; readonly group: string; readonly types: readonly EventType[]; readonly own: boolean }
  /** It is about to publish these; */
  | { readonly kind: 'says'; readonly events: readonly Announced[] }
  /** the bus has them; or it may not have them, and the publisher repeats them if it has to. */
  | { readonly kind: 'said' | 'unsaid'; readonly ids: readonly string[] }
  /** A group's handler has done with these. */
  | { readonly kind: 'handled'; readonly group: string; readonly ids: readonly string[] }
  /** The process has done what it was told, and all that followed from it here. */
  | ({ readonly kind: 'rests'; readonly n: number } & Rest)
  | { readonly kind: 'order'; readonly order: MachineOrder }
  | { readonly kind: 'ask'; readonly n: number; readonly question: Question };

/** How a process is when nothing is in hand. */
export interface Rest {
  /** When its clock has something to do; null where it has not. */
  readonly nextMs: number | null;
  /** The partitions that it has: those it decides for, or all of them where it is the migrator on duty. */
  readonly held: readonly number[];
}

/** A message of a conductor. */
export type FromConductor =
  /** The answer to `hello`. */
  | { readonly kind: 'begin'; readonly nowMs: number }
  /** The time is `nowMs`; with `step`, the process carries out its first due callback. Answered by `rests`. */
  | { readonly kind: 'now'; readonly n: number; readonly nowMs: number; readonly step: boolean }
  | { readonly kind: 'report'; readonly report: Report }
  | ({ readonly kind: 'answer'; readonly n: number } & Answer);

/** The answer to a question, or why there is none. */
export interface Answer {
  readonly value?: unknown;
  readonly fault?: { readonly code: ErrorCode; readonly message: string };
}

/** An order for the machines, which the conductor simulates. */
export type MachineOrder =
  | { readonly kind: 'begin'; readonly step: Phase; readonly move: Move }
  | { readonly kind: 'abort' | 'inspect'; readonly move: Move };

/** A question to the machines. */
export type Question =
  | { readonly what: 'duty'; readonly on: boolean }
  | { readonly what: 'vmsAt'; readonly site: string }
  | { readonly what: 'startVm'; readonly vm: string; readonly site: string; readonly spec: VmSpec }
  | { readonly what: 'remove'; readonly vm: string };

/** One end of a connection. */
export interface Wire<Out> {
  /** In order; nothing, once the other end is gone. */
  send(message: Out): void;
  close(): void;
  /** Resolves when it is closed, by whichever end, and all that came was taken. */
  readonly closed: Promise<void>;
}

/** @param take gets each message of the other end, in order, from the next turn of the loop on */
export function wire<In, Out>(socket: Socket, take: (message: In) => void): Wire<Out> {
  socket.setNoDelay(true);
  // A connection that a killed process leaves has ended; that is no fault.
  socket.on('error', () => {});
  let rest = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) take(JSON.parse(line) as In);
  });
  const closed = new Promise<void>((done) => {
    socket.once('close', () => done());
  });
  return {
    send(message) {
      if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    },
    close: () => void socket.destroy(),
    closed,
  };
}
