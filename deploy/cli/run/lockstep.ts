/** A trace played onto service processes of their own, on a real bus, all of them at one virtual time. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { ProcessName } from '#services/process/modules.ts';
import type { PersonalVms } from '#services/replay/personal-vms.ts';
import { replay } from '#services/replay/replay.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { pacedClock } from '#shared/clock/paced.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, TERMINAL_TYPES } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { Conductor } from '#simulations/lockstep/conductor.ts';
import { sharedHosts } from '#simulations/lockstep/hosts.ts';
import { type IngestClient, ingestClient } from '#simulations/lockstep/ingest.ts';
import { DECISIONS } from '../output/output.ts';
import { Children } from './children.ts';

/** How many processes of each service there are. */
export type Processes = Readonly<Record<'ingest' | 'placement' | 'migrator', number>>;

/** The trace to play, and the processes that play it. */
export interface LockstepRun {
  /** With the sites, and a bus and a store that others reach. */
  readonly config: Config;
  readonly processes: Processes;
  readonly startMs: number;
  /** How many seconds pass in one of the machine's; Infinity: as fast as it goes. */
  readonly speed: number;
  readonly batches: AsyncIterable<readonly Fix[]> | Iterable<readonly Fix[]>;
  /** Gives VMs to the users, where the configuration does not. */
  readonly personal?: PersonalVms;
  /** Sees every decision and every migration event, each once. */
  readonly observe: (event: Event) => void;
  readonly stopped?: () => boolean;
  readonly log: Log;
  /** Destination of the processes' logs. */
  readonly childLog?: Writable;
  /** Told when all processes are there. */
  readonly begun?: (progress: LockstepProgress) => void;
  /** How long a process that was killed stays away. @default 0 */
  readonly awayMs?: () => number;
}

/** A run while it goes on, and at its end. */
export interface LockstepProgress {
  readonly nowMs: number;
  /** How often everything has come to rest. */
  readonly instants: number;
  readonly ingest: Pick<IngestClient, 'accepted' | 'repeated'>;
  /** How often a process was started again. */
  readonly restarts: number;
  /** Kills one process, as the loss of its machine does. False: it is not there at the moment. */
  kill(name: string): boolean;
}

/** @returns the names of all processes: `placement-1` */
export function namesOf(processes: Processes): string[] {
  return Object.entries(processes).flatMap(([service, n]) =>
    Array.from({ length: n }, (_, i) => `${service as ProcessName}-${i + 1}`),
  );
}

/**
 * Plays a trace to its end, and the moves that are under way then to theirs.
 * @throws TagalongError USAGE where bus and store are not empty; SERVICE_STOPPED where a process fails; and what opening and
 * reading throw
 */
export async function playInLockstep(run: LockstepRun): Promise<LockstepProgress> {
  const { config, processes, speed, log, stopped = () => false } = run;
  const clock = pacedClock(run.startMs, speed);
  const names = namesOf(processes);
  const { partitions } = config.bus;
  let played = false;
  // As the simulation ends: nothing is ordered after the last position, and the end is that of the last move, before whatever
  // else is due in the same millisecond.
  const over = () => played && moves.underWay === 0;
  const begins = (name: string) => !over() && !(played && name.startsWith('placement-'));
  const conductor = new Conductor({ clock, hosts: sharedHosts(config, clock), names, partitions, begins });
  await refuseUsed(config, log);
  const bus = await openBus(config, log);
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-replay-'));
  const children = new Children({
    config: join(folder, 'config.json'),
    address: (name) => conductor.address(name),
    failed(name, words) {
      conductor.fail(new TagalongError('SERVICE_STOPPED', `${name} has ended: ${words || 'its log says why'}`));
    },
    ...(run.childLog && { log: run.childLog }),
    ...(run.awayMs && { awayMs: run.awayMs }),
  });
  const client = ingestClient(conductor, config.http.token);
  const moves = openMoves(run.observe, (error) => conductor.fail(error));
  const settle = () => conductor.settle();
  const progress: LockstepProgress = {
    get nowMs() {
      return clock.now();
    },
    get instants() {
      return conductor.instants;
    },
    ingest: client,
    get restarts() {
      return children.restarts;
    },
    kill: (name) => children.kill(name),
  };
  try {
    await writeFile(join(folder, 'config.json'), JSON.stringify(forChildren(config)), { mode: 0o600 });
    await conductor.open();
    await conductor.observe(bus, [...DECISIONS, 'event.rejected.v1'], moves.hear);
    for (const name of names) children.start(name);
    await settle();
    run.begun?.(progress);
    for (const { vm, home, spec, sessions } of config.vms) {
      await client.declareVm(vm, home, spec);
      for (const { user, weight } of sessions) await client.attach(vm, user, weight);
    }
    await settle();
    const { personal, batches } = run;
    await replay({ clock, ingest: client, settle, stopped, ...(personal && { personal }) }, batches);
    played = true;
    while (!over() && !stopped()) await clock.paceTo(clock.nextMs() ?? clock.now() + 1000, settle);
    return progress;
  } finally {
    await children.stop();
    await conductor.close();
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** All requests come from one address, and the VMs are declared once all processes are ready. */
function forChildren(config: Config): Config {
  return { ...config, vms: [], http: { ...config.http, host: '127.0.0.1', requestsPerMinute: 1_000_000 } };
}

/** Refuses a store with records of an earlier run: services would take them for the present state. @throws TagalongError USAGE */
async function refuseUsed(config: Config, log: Log): Promise<void> {
  const store = await openStore(config, log);
  const records = (await Promise.all(['ingest/', 'placement/', 'migrator/'].map((key) => store.list(key)))).flat();
  await store.close();
  if (records.length === 0) return;
  throw new TagalongError(
    'USAGE',
    `store: there are VMs under the prefix ${config.store.prefix} already; give bus.prefix and store.prefix a name that is new`,
  );
}

/** Passes events on, each once, and counts the moves that were ordered and have not ended. */
function openMoves(observe: (event: Event) => void, fail: (error: Error) => void) {
  const known = new Set<string>();
  const open = new Set<string>();
  return {
    get underWay() {
      return open.size;
    },
    hear(event: Event) {
      if (known.has(event.id)) return;
      known.add(event.id);
      if (event.type === 'event.rejected.v1') {
        const { code, reason } = event.data;
        fail(new TagalongError('SERVICE_STOPPED', `an event was given up, ${code}: ${reason}`));
        return;
      }
      if (event.type === 'placement.decided.v1' && event.data.verdict === 'move') open.add(event.data.decision);
      if ((TERMINAL_TYPES as readonly string[]).includes(event.type)) {
        open.delete((event.data as { readonly migration: string }).migration);
      }
      observe(event);
    },
  };
}
