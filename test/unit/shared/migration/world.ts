/** The core of the migrator alone. The test reports in place of the hypervisor. */
import { type Data, type Fact, PHASES, type Phase } from '#shared/events/index.ts';
import type { Measured } from '#shared/hypervisor/hypervisor.ts';
import { Migrations } from '#shared/migration/migrations.ts';
import { NOTHING_MEASURED } from '#shared/model/measured.ts';

export const LIMITS = { movesPerSite: 2, movesPerPath: 1, queueMs: 60_000, stepTimeoutMs: 10_000 };
const UPLINKS = [{ provider: 'a', rateBps: 1e8 }];

export function core(limits = LIMITS): Migrations {
  const migrations = new Migrations(limits);
  for (const site of ['a', 'b', 'c', 'd']) {
    const data = { site, atMs: 0, lat: 0, lon: 0, slots: 9, vms: [], draining: false, uplinks: UPLINKS };
    migrations.apply({ type: 'site.reported.v1', data });
  }
  return migrations;
}

export function decided(vm: string, seq: number, more: Partial<Data<'placement.decided.v1'>> = {}): Fact {
  const spec = { ramBytes: 1, dirtyRateBps: 0, workingSetBytes: 0, diskBytes: 0, downtimeLimitMs: 1, targetRttMs: 1 };
  const explanation = {
    state: 'settled',
    policy: 'tagalong',
    reason: 'a test',
    sessions: 0,
    homeServingUserMsPerS: 0,
    expectedStayMs: 0,
    oldestFixAgeMs: 0,
    candidates: [],
  };
  const names = { decision: `${vm}:${seq}`, vm, seq, from: 'a', to: 'b' };
  const verdict = { verdict: 'move', reason: 'a test', source: 'policy' } as const;
  return { type: 'placement.decided.v1', data: { ...names, ...verdict, atMs: 0, spec, explanation, ...more } };
}

/** Drains the core. @returns its events and orders as short words */
export function outputOf(migrations: Migrations): string[] {
  const { events, orders } = migrations.drain();
  return [
    ...events.map(({ fact }) => fact.type.replace(/^migration\.(.*)\.v1$/, '$1')),
    ...orders.map((order) => (order.kind === 'begin' ? `begin ${order.step}` : order.kind)),
  ];
}

export const measured = (bytes: number): Measured => ({ ...NOTHING_MEASURED, bytes });

export function done(migrations: Migrations, id: string, step: Phase, atMs = 1): string[] {
  migrations.report({ kind: 'done', id, step, measured: measured(1) }, atMs);
  return outputOf(migrations);
}

/** A core with one migration of `vm` in this phase. */
export function inPhase(phase: Phase, vm = 'v'): Migrations {
  const migrations = core();
  migrations.apply(decided(vm, 1));
  for (const step of ['prepare', 'announce', 'disk', 'memory', 'switch'] as const) {
    if (step === phase) break;
    done(migrations, `${vm}:1`, step);
  }
  migrations.drain();
  return migrations;
}

/** Reports a failed step. @returns the resulting events and orders */
export const failed = (migrations: Migrations, step: Phase | 'abort', code = 'BROKEN') => {
  migrations.report({ kind: 'failed', id: 'v:1', step, code, reason: 'a test', measured: measured(2) }, 5);
  return outputOf(migrations);
};
/** Reports the result of an inspection. @returns the resulting events and orders */
export const inspected = (
  migrations: Migrations,
  runsAt: string | undefined,
  underWay?: Phase,
  doneUpTo = 0,
  bytes = 0,
) => {
  const steps = PHASES.slice(0, doneUpTo);
  migrations.report({ kind: 'inspected', id: 'v:1', runsAt, done: steps, underWay, measured: measured(bytes) }, 5);
  return outputOf(migrations);
};
/** The state of the only migration. */
export const state = (migrations: Migrations) => [...migrations.live.values()][0]?.state;
