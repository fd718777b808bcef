/** A process that simulates VMs ends. The next process simulates them at the same sites. */
import { describe, expect, test } from 'vitest';
import { keptMachines } from '#services/sites/hosts/kept.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { PHASES, type Phase } from '#shared/events/index.ts';
import type { Move, Report } from '#shared/hypervisor/hypervisor.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { configFor } from '../property/harness.ts';
import { SPEC } from '../unit/shared/policy/world.ts';

const config = configFor();
const log = createLog('silent');
const MOVE: Move = { id: 'v:1', vm: 'v', from: 's0', to: 's1', spec: SPEC };

async function onDuty(clock: VirtualClock, store: Store) {
  const machines = keptMachines(config, clock, store, log);
  const reports: Report[] = [];
  machines.hypervisor.listen((report) => reports.push(report));
  await machines.setLeader(true, new SetAside({ log, clock }));
  /** Executes a step to its end. */
  const carryOut = async (step: Phase) => {
    machines.hypervisor.begin(step, MOVE);
    for (let i = 0; i < 100 && !reports.some((report) => report.kind === 'done' && report.step === step); i++) {
      clock.advanceTo(clock.now() + 1000);
      await new Promise(setImmediate);
    }
  };
  return { ...machines, reports, carryOut };
}

describe('simulated VMs that are persisted', () => {
  test('run at their home in the next process too, and are placed once', async () => {
    const [clock, store] = [virtualClock(), memoryStore()];
    const first = await onDuty(clock, store);
    await first.hosts.startVm('v', 's0', SPEC);
    const second = await onDuty(clock, store);
    await second.hosts.startVm('v', 's1', SPEC);
    expect(await second.hosts.vmsAt('s0')).toEqual(['v']);
    expect(await second.hosts.vmsAt('s1')).toEqual([]);
    await second.hosts.remove('v');
    expect(await (await onDuty(clock, store)).hosts.vmsAt('s0')).toEqual([]);
  });

  test.each(PHASES.slice(0, 4).map((step, i) => [step, PHASES.slice(0, i + 1)] as const))(
    'stay at the source when the process ends after the step %s, and the move begins again',
    async (_, steps) => {
      const [clock, store] = [virtualClock(), memoryStore()];
      const first = await onDuty(clock, store);
      await first.hosts.startVm('v', 's0', SPEC);
      for (const step of steps) await first.carryOut(step);
      const second = await onDuty(clock, store);
      second.hypervisor.inspect(MOVE);
      clock.advanceTo(clock.now());
      expect(second.reports).toMatchObject([{ kind: 'inspected', runsAt: 's0', done: [], underWay: undefined }]);
      for (const step of PHASES) await second.carryOut(step);
      expect(await second.hosts.vmsAt('s1')).toEqual(['v']);
    },
  );

  test('run at the destination when the process ends after the switch-over; nothing is left to release', async () => {
    const [clock, store] = [virtualClock(), memoryStore()];
    const first = await onDuty(clock, store);
    await first.hosts.startVm('v', 's0', SPEC);
    for (const step of PHASES.slice(0, 5)) await first.carryOut(step);
    const second = await onDuty(clock, store);
    expect(await second.hosts.vmsAt('s1')).toEqual(['v']);
    await second.carryOut('release');
    expect(second.reports.map(({ kind }) => kind)).toEqual(['done']);
  });

  test('cannot be moved by a standby process', async () => {
    const [clock, store] = [virtualClock(), memoryStore()];
    const first = await onDuty(clock, store);
    await first.hosts.startVm('v', 's0', SPEC);
    for (const step of PHASES.slice(0, 4)) await first.carryOut(step);
    first.hypervisor.begin('switch', MOVE);
    await first.setLeader(false, new SetAside({ log, clock }));
    clock.advanceTo(clock.now() + 100_000);
    await new Promise(setImmediate);
    expect(await first.hosts.vmsAt('s0')).toEqual([]);
    expect(await (await onDuty(clock, store)).hosts.vmsAt('s0')).toEqual(['v']);
  });
});
