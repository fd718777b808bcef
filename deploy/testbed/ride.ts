/**
 * Users ride past the sites of a test bed, and a real VM follows: positions come from a trace, the policy decides, the VM
 * moves over MPTCP, and a client holds one connection.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProbeReport, Transport } from '#services/probe/probe.ts';
import { createSystem, type System } from '#services/process/system.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { qemuMachines } from '#services/sites/hosts/remote.ts';
import type { Bus } from '#shared/bus/bus.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Log } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { bedClient } from './client.ts';
import type { TestBed } from './world.ts';

export const VM = 'vm1';
/** The VM of a ride: small, so that it boots and moves in seconds. */
export const SPEC = {
  ramBytes: 128 * 2 ** 20,
  dirtyRateBps: 200_000,
  workingSetBytes: 4_000_000,
  diskBytes: 0,
  downtimeLimitMs: 100,
  targetRttMs: 10,
};

/** The policy of a ride. It takes minutes instead of hours, so the waits between moves are short. */
const HASTE = {
  policy: { dwellMs: 2_000, coolingMs: 4_000, returnPauseMs: 8_000, maxMovesPerHour: 120, siteSilentMs: 10_000 },
  // Users reach a site other than the nearest through the core network.
  network: { transitMs: 20 },
  limits: { stepTimeoutMs: 20_000 },
  heartbeatMs: 2_000,
};

export interface RideOptions {
  readonly bed: TestBed;
  /** Ascending in time. */
  readonly fixes: readonly Fix[];
  /** Seconds of the trace for each second of real time. */
  readonly speed: number;
  readonly log: Log;
  /** Called before the first position, when everything runs. */
  begun(ride: {
    readonly system: System;
    readonly bus: Bus;
    readonly url: string;
    readonly transport: Transport;
  }): Promise<void>;
  readonly stopped: () => boolean;
}

/** The longest wait for moves under way at the end. */
const LAST_MOVES_MS = 60_000;

/** The configuration under which a VM follows the users of a trace on this test bed. */
function rideConfig(bed: TestBed, users: readonly string[], home: string): Config {
  const vms = [{ vm: VM, home, spec: SPEC, sessions: users.map((user) => ({ user })) }];
  const { sites, hypervisor, move } = bed;
  return parseConfig(JSON.stringify({ ...HASTE, http: { port: 0 }, sites, hypervisor, move, vms }), 'test bed');
}

/** Plays the ride. @returns the report of the client */
export async function ride({ bed, fixes, speed, log, begun, stopped }: RideOptions): Promise<ProbeReport> {
  const users = [...new Set(fixes.map(({ user }) => user))];
  const home = bed.topology.sites[0]!.site;
  const config = rideConfig(bed, users, home);
  const bus = memoryBus({ partitions: config.bus.partitions });
  const [clock, store] = [realClock(), memoryStore()];
  const machines = await qemuMachines(config, store, log);
  const system = createSystem({ config, clock, bus, store, log, machines });
  try {
    const { url } = await system.listen();
    await system.start();
    await system.declare();
    const host = await bed.ready(home, VM);
    const client = bedClient(bed.network, { at: bed.topology.clients[0]!.client, host, mptcp: true });
    // Reports the client's gaps to the policy, as clients of an installation do.
    client.onGap((gap) => void system.ingest.interruptions([{ vm: VM, user: users[0]!, ...gap }]).catch(() => {}));
    await begun({ system, bus, url, transport: await client.connected });
    await playFixes(system, fixes, speed, stopped);
    const untilMs = Date.now() + LAST_MOVES_MS;
    while (!stopped() && system.migrator.status().length > 0 && Date.now() < untilMs) await sleep(100);
    return await client.stop();
  } finally {
    await system.stop();
  }
}

/** Publishes each position when it is due, with the present time. */
async function playFixes(system: System, fixes: readonly Fix[], speed: number, stopped: () => boolean): Promise<void> {
  const beganMs = Date.now();
  const firstMs = fixes[0]!.atMs;
  for (const fix of fixes) {
    const dueMs = beganMs + (fix.atMs - firstMs) / speed;
    while (Date.now() < dueMs && !stopped()) await sleep(Math.min(200, dueMs - Date.now()));
    if (stopped()) return;
    await system.ingest.locations([{ ...fix, atMs: Math.round(dueMs) }]);
  }
}
