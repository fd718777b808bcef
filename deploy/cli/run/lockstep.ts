/** Plays a trace onto separate service processes on a real bus. All of them share one virtual time. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { ProcessName } from '#services/process/modules.ts';
import type { PersonalVms } from '#services/replay/personal-vms.ts';
import { replay } from '#services/replay/replay.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { pacedClock } from '#shared/clock/paced.ts';
import type { VirtualClock } from '#shared/clock/virtual.ts';
import { leadsFirst } from '#shared/config/relations.ts';
import type { Config } from '#shared/config/schema.ts';
import { adminToken } from '#shared/config/sign-in.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Affinity, Event } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { isEnd } from '#shared/migration/outcome.ts';
import { openBus, openStore } from '#shared/open.ts';
import { Conductor } from '#simulations/lockstep/conductor.ts';
import { sharedHosts } from '#simulations/lockstep/hosts.ts';
import { type IngestClient, ingestClient } from '#simulations/lockstep/ingest.ts';
import { DECISIONS } from '../output/output.ts';
import { Children } from './children.ts';

/** The number of processes of each service. */
export type Processes = Readonly<Record<'ingest' | 'placement' | 'migrator', number>>;

/** The trace to play, and the processes that play it. */
export interface LockstepRun {
  /** With the sites, and a bus and a store that other processes reach. */
  readonly config: Config;
  readonly processes: Processes;
  readonly startMs: number;
  /** Seconds of the run for each second of real time; Infinity: full speed. */
  readonly speed: number;
  readonly batches: AsyncIterable<readonly Fix[]> | Iterable<readonly Fix[]>;
  /** Gives a VM to each user, if the configuration declares none. */
  readonly personal?: PersonalVms;
  /** Receives every decision and every migration event once. */
  readonly observe: (event: Event) => void;
  readonly stopped?: () => boolean;
  readonly log: Log;
  /** Destination of the processes' logs. */
  readonly childLog?: Writable;
  /** Called when all processes have started. */
  readonly begun?: (progress: LockstepProgress) => void;
  /** Delay before a killed process is restarted. @default 0 */
  readonly awayMs?: () => number;
}

/** A run, during it and at its end. */
export interface LockstepProgress {
  readonly nowMs: number;
  /** The number of instants at which all processes were at rest. */
  readonly instants: number;
  readonly ingest: Pick<IngestClient, 'accepted' | 'repeated'>;
  /** The number of restarts of processes. */
  readonly restarts: number;
  /** Kills one process, as the loss of its machine does. @returns false if it does not run at the moment */
  kill(name: string): boolean;
}

/** @returns the names of all processes: `placement-1` */
export function namesOf(processes: Processes): string[] {
  return Object.entries(processes).flatMap(([service, n]) =>
    Array.from({ length: n }, (_, i) => `${service as ProcessName}-${i + 1}`),
  );
}

/**
 * Plays a trace to its end, and then waits for the end of the moves under way.
 * @throws TagalongError USAGE if bus and store are not empty; SERVICE_STOPPED if a process fails; the errors of opening and
 * reading
 */
export async function playInLockstep(run: LockstepRun): Promise<LockstepProgress> {
  const { config, processes, speed, log, stopped = () => false } = run;
  const clock = pacedClock(run.startMs, speed);
  const names = namesOf(processes);
  const { partitions } = config.bus;
  let played = false;
  // Ends as the simulation does. No move is ordered after the last position. The run ends with its last move, before anything
  // else that is due in the same millisecond.
  const over = () => played && moves.underWay === 0;
  const mayStep = (name: string) => !over() && !(played && name.startsWith('placement-'));
  const conductor = new Conductor({ clock, hosts: sharedHosts(config, clock), names, partitions, mayStep });
  await refuseUsed(config, log);
  const bus = await openBus(config, log);
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-replay-'));
  const children = childrenOf(run, conductor, join(folder, 'config.json'));
  const client = ingestClient(conductor, adminToken(config.http));
  const moves = openMoves(run.observe, (error) => conductor.fail(error));
  const settle = () => conductor.settle();
  const progress = progressOf(clock, conductor, client, children);
  try {
    await writeFile(join(folder, 'config.json'), JSON.stringify(forChildren(config)), { mode: 0o600 });
    await conductor.open();
    await conductor.observe(bus, [...DECISIONS, 'event.rejected.v1'], moves.hear);
    for (const name of names) children.start(name);
    await settle();
    run.begun?.(progress);
    await declareVms(config, client);
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

function childrenOf({ childLog: log, awayMs }: LockstepRun, conductor: Conductor, config: string): Children {
  return new Children({
    config,
    address: (name) => conductor.address(name),
    failed(name, words) {
      conductor.fail(new TagalongError('SERVICE_STOPPED', `the process ${name} has ended: ${words || 'read its log'}`));
    },
    ...(log && { log }),
    ...(awayMs && { awayMs }),
  });
}

function progressOf(
  clock: VirtualClock,
  conductor: Conductor,
  ingest: IngestClient,
  children: Children,
): LockstepProgress {
  return {
    get nowMs() {
      return clock.now();
    },
    get instants() {
      return conductor.instants;
    },
    ingest,
    get restarts() {
      return children.restarts;
    },
    kill: (name) => children.kill(name),
  };
}

async function declareVms({ vms }: Config, client: IngestClient): Promise<void> {
  for (const { vm, home, spec, affinity, sessions } of leadsFirst(vms)) {
    await client.declareVm(vm, home, spec, { affinity: affinity as Affinity | undefined });
    for (const { user, weight } of sessions) await client.attach(vm, user, weight);
  }
}

/** Has no limit of requests, since all come from one address, and no VMs, since they are declared once all processes are ready. */
function forChildren(config: Config): Config {
  return { ...config, vms: [], http: { ...config.http, host: '127.0.0.1', requestsPerMinute: 1_000_000 } };
}

/** Refuses a store with records of an earlier run, because services would use them as the present state. @throws TagalongError USAGE */
async function refuseUsed(config: Config, log: Log): Promise<void> {
  const store = await openStore(config, log);
  const records = (await Promise.all(['ingest/', 'placement/', 'migrator/'].map((key) => store.list(key)))).flat();
  await store.close();
  if (records.length === 0) return;
  throw new TagalongError(
    'USAGE',
    `store: there are already VMs under the prefix ${config.store.prefix}; set bus.prefix and store.prefix to a new name`,
  );
}

/** Passes each event on once, and counts the ordered moves that have not ended. */
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
        fail(
          new TagalongError(
            'SERVICE_STOPPED',
            `a service gave up an event (${code}: ${reason}); read the log of the processes`,
          ),
        );
        return;
      }
      if (event.type === 'placement.decided.v1' && event.data.verdict === 'move') open.add(event.data.decision);
      if (isEnd(event)) open.delete(event.data.migration);
      observe(event);
    },
  };
}
