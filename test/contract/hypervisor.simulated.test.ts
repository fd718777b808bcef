import { virtualClock } from '#shared/clock/virtual.ts';
import { simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { DEFAULT_MOVE_MODEL } from '#shared/model/move-model.ts';
import { DEFAULT_NETWORK } from '#shared/model/network.ts';
import { type HypervisorHarness, hypervisorContract } from './hypervisor.ts';

/** Long enough for immediate reports, and too short for any step that takes time. */
const MOMENT_MS = 1;

function harness(diskBytes: number): HypervisorHarness {
  const clock = virtualClock(1_700_000_000_000);
  const hypervisor = simulatedHypervisor({ clock, model: DEFAULT_MOVE_MODEL, network: DEFAULT_NETWORK });
  const uplinks = [
    { provider: 'isp1', rateBps: 125e6 },
    { provider: 'isp2', rateBps: 60e6 },
  ];
  hypervisor.declareSite({ site: 'oslo', lat: 59.9, lon: 10.7, uplinks });
  hypervisor.declareSite({ site: 'bonn', lat: 50.7, lon: 7.1, uplinks });
  return {
    hypervisor,
    move: {
      id: 'vm1:1',
      vm: 'vm1',
      from: 'oslo',
      to: 'bonn',
      spec: {
        ramBytes: 4e9,
        dirtyRateBps: 2e7,
        workingSetBytes: 3e8,
        diskBytes,
        downtimeLimitMs: 300,
        targetRttMs: 20,
      },
    },
    startVm: (vm, site) => hypervisor.startVm(vm, site),
    runningSites: (vm) => hypervisor.running(vm),
    async until(condition) {
      while (!condition()) {
        if (!clock.step(Number.POSITIVE_INFINITY)) throw new Error('nothing more happens');
      }
    },
    async settle() {
      clock.advanceTo(clock.now() + MOMENT_MS);
    },
    close() {},
  };
}

hypervisorContract('simulated, shared storage', () => harness(0));
hypervisorContract('simulated, with a disk to mirror', () => harness(2e9));
