/** Where the groups of VMs are, and what they contain. */
import { expect, test } from 'vitest';
import { limitsOf, placesOf, settingsOf } from '#services/agent/control-groups.ts';

const V1 = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`;
const V2 = '28 22 0:25 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate';
const UNIT = '/system.slice/tagalong-agent.service';

const spec = {
  ramBytes: 2 ** 32,
  dirtyRateBps: 0,
  workingSetBytes: 0,
  diskBytes: 0,
  downtimeLimitMs: 1,
  targetRttMs: 1,
};

test('with version 1, each resource has a place of its own', () => {
  const own = `9:name=systemd:/
4:memory:/user.slice/x
8:pids:/
1:cpu,cpuacct:/
0::/`;
  expect(placesOf(V1, own)).toEqual([
    { version: 1, base: '/sys/fs/cgroup/cpu,cpuacct/', resources: ['cpu'] },
    { version: 1, base: '/sys/fs/cgroup/memory/user.slice/x', resources: ['memory'] },
    { version: 1, base: '/sys/fs/cgroup/pids/', resources: ['pids'] },
  ]);
});

test('with version 2, the groups of VMs lie beside that of the agent', () => {
  const base = `/sys/fs/cgroup${UNIT}`;
  expect(placesOf(V2, `0::${UNIT}/agent`)).toEqual([{ version: 2, base, resources: ['memory', 'pids', 'cpu'] }]);
});

test.each([UNIT, '/', '/user.slice/agent.scope'])('with version 2, an agent in %s has no place for groups', (path) => {
  expect(placesOf(V2, `0::${path}`)).toEqual([]);
});

test('in a container, paths begin at what is mounted', () => {
  const mounts = '39 31 0:36 /docker/7 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids';
  const base = '/sys/fs/cgroup/pids/a';
  expect(placesOf(mounts, '8:pids:/docker/7/a')).toEqual([{ version: 1, base, resources: ['pids'] }]);
});

test.each([[placesOf('', '')], [placesOf('not a line - of mountinfo', 'nor:one')]])(
  'where nothing is mounted there is no place',
  (places) => {
    expect(places).toEqual([]);
  },
);

test('a VM gets its memory and what QEMU needs, a task and the time of a processor for each of its processors, and more', () => {
  const machine = { image: 'default', vcpus: 4, spec };
  const memoryBytes = 2 ** 32 + 2 ** 26 + 2 ** 30;
  expect(limitsOf(machine, 'kvm', 0)).toEqual({ memoryBytes, tasks: 260, cpus: 5, weight: 5 });
  expect(limitsOf(machine, 'tcg', 0).memoryBytes).toBe(memoryBytes + 2 ** 30);
});

test('the group of a VM has the priority of its agent, within the bounds of the kernel', () => {
  const limits = { memoryBytes: 1, tasks: 1, cpus: 2 };
  const weights = (weight: number) => [
    settingsOf(2, 'cpu', { ...limits, weight })[0],
    settingsOf(1, 'cpu', { ...limits, weight })[0],
  ];
  const machine = { image: 'default', vcpus: 1, spec };
  expect(weights(limitsOf(machine, 'kvm', 0).weight)).toEqual([
    ['cpu.weight', '200'],
    ['cpu.shares', '2048'],
  ]);
  // As much as two processes of this priority have.
  expect(weights(limitsOf(machine, 'kvm', -10).weight)).toEqual([
    ['cpu.weight', '1863'],
    ['cpu.shares', '19073'],
  ]);
  expect(weights(limitsOf({ ...machine, vcpus: 512 }, 'kvm', -20).weight)).toEqual([
    ['cpu.weight', '10000'],
    ['cpu.shares', '262144'],
  ]);
  expect(weights(1e-9)).toEqual([
    ['cpu.weight', '1'],
    ['cpu.shares', '2'],
  ]);
});
