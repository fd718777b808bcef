/** A disk without shared storage moves with its VM while the guest writes to it. */
import { appendFile, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { moveVm, RULES, specOf, startVm, until } from '#deploy/testbed/moves.ts';
import { topologies } from '#deploy/testbed/topology.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { qemuFiles } from '#services/agent/command-line.ts';
import { TUN, userOf } from '#services/agent/confinement.ts';
import { limitsOf, placesOf, RESOURCES, type Resource } from '#services/agent/control-groups.ts';
import { deviceNames, shortName } from '#services/agent/names.ts';
import { onlyLong } from '../long.ts';
import { onTestBed } from './needs.ts';

const DISK_BYTES = 32 * 2 ** 20;
/** A slow rate: the guest needs long to rewrite the disk. */
const WRITTEN_BPS = 1_000_000;
const MUCH_BPS = 3_000_000;
/** A fast rate: the guest soon fills the disk. */
const FILLING_BPS = 20_000_000;
/** Enough bytes for a check. */
const SOME_BYTES = 2_000_000;
/** A return sends the bytes written meanwhile, which are less than this on any machine. */
const FEW_BYTES = 0.75 * DISK_BYTES;
const PROVIDERS = ['north', 'south'];
const uplinks = PROVIDERS.map((provider) => ({ provider, rateBps: 25e6 }));
const topology = topologies.parse(
  JSON.stringify({
    sites: ['oslo', 'bonn', 'kiel'].map((site, i) => ({ site, lat: 50 + i, lon: 10, slots: 4, uplinks })),
    clients: [{ client: 'phone' }],
  }),
  'topology',
);

onTestBed('storage of a real VM', () => {
  let bed: TestBed;
  beforeAll(async () => {
    bed = await openTestBed(topology);
  });
  afterAll(() => bed?.close());

  let vm = '';
  let at = '';
  const spec = specOf({ diskBytes: DISK_BYTES });
  const instance = async (site: string) => (await bed.agents.get(site)!.instance(vm)).instance;
  const guest = (...words: string[]) => bed.agents.get(at)!.guest(vm, words);
  const written = async () => Number(await guest('disk-write'));
  const writes = async (bytes: number, withinMs?: number) => {
    const before = await written();
    await until(async () => (await written()) - before > bytes, withinMs);
  };
  const verified = async () => (await guest('disk-verify')).split(' ').map(Number) as [number, number];
  const filesAt = (site: string) => qemuFiles(`${bed.network.run.path}/${site}/${shortName(vm)}`);
  /** The limits of the control groups of a process. */
  const isLimited = async (pid: number) => {
    const { limits } = await bed.agents.get(at)!.status();
    expect(limits).toEqual(RESOURCES);
    const { memoryBytes, tasks } = limitsOf({ image: 'default', vcpus: 1, spec }, 'tcg', 0);
    const own = await readFile(`/proc/${pid}/cgroup`, 'utf8');
    const places = placesOf(await readFile('/proc/self/mountinfo', 'utf8'), own);
    const of = (resource: Resource) => places.find(({ resources }) => resources.includes(resource))!;
    const value = async (resource: Resource, names: readonly [v1: string, v2: string]) =>
      Number(await readFile(`${of(resource).base}/${names[of(resource).version - 1]}`, 'utf8'));
    for (const resource of RESOURCES) expect(of(resource).base).toContain('/tagalong-');
    expect(await value('memory', ['memory.limit_in_bytes', 'memory.max'])).toBe(memoryBytes - (memoryBytes % 4096));
    expect(await value('pids', ['pids.max', 'pids.max'])).toBe(tasks);
  };
  /** Both taps were opened by the agent: they belong to root, and QEMU got their descriptors. */
  const hasTapsOpen = async (pid: number) => {
    const open = await Promise.all((await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`)));
    expect(open.filter((path) => path === TUN)).toHaveLength(2);
    for (const tap of deviceNames(vm).taps) {
      const shown = await bed.network.exec(at, ['ip', '-json', '-details', 'link', 'show', tap]);
      expect(JSON.parse(shown)[0].linkinfo.info_data).toMatchObject({ type: 'tap', user: 'root' });
    }
  };
  /** Reads from /proc what the QEMU of the VM may do. */
  const isConfined = async () => {
    const { folder, disk } = filesAt(at);
    const { qemu } = JSON.parse(await readFile(`${folder}/record.json`, 'utf8'));
    const status = await readFile(`/proc/${qemu.pid}/status`, 'utf8');
    const said = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)![1]!.split(/\s+/);
    const user = userOf(vm);
    const each = Array.from({ length: 4 }, () => `${user}`);
    expect({ uid: said('Uid'), gid: said('Gid') }, 'user').toEqual({ uid: each, gid: each });
    for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) expect(Number(`0x${said(name)}`), name).toBe(0);
    expect({ privileges: said('NoNewPrivs'), filter: said('Seccomp') }).toEqual({ privileges: ['1'], filter: ['2'] });
    expect(said('Groups')).not.toContain('0');
    await isLimited(qemu.pid);
    await hasTapsOpen(qemu.pid);
    // It can use its own disk, and can put nothing into its folder.
    expect(await stat(disk)).toMatchObject({ uid: user, mode: 0o100600 });
    expect(await stat(folder)).toMatchObject({ uid: 0, gid: user, mode: 0o040710 });
  };
  const begin = async (name: string, writtenBps = WRITTEN_BPS) => {
    [vm, at] = [name, 'oslo'];
    await startVm(bed, vm, at, spec);
    await isConfined();
    await guest('disk-write', `${writtenBps}`);
    await writes(SOME_BYTES);
  };
  /** Moves the VM. @returns its measured cost, and the sent bytes of the disk */
  const go = async (to: string, more: Parameters<typeof moveVm>[4] = {}) => {
    const from = at;
    let diskBytes = Number.NaN;
    const measured = await moveVm(bed, vm, from, to, {
      spec,
      ...more,
      async before(step) {
        await more.before?.(step);
        if (step === 'memory') diskBytes = (await instance(from))!.disk!.sentBytes;
      },
    });
    at = to;
    return { ...measured, diskBytes };
  };
  /** Moves a VM whose guest does not write, and asserts an equal disk. @returns the sent bytes of the disk */
  const goUnchanged = async (to: string) => {
    const sum = await guest('disk-sum');
    const { diskBytes } = await go(to);
    expect(await guest('disk-sum'), 'the content of the disk').toBe(sum);
    return diskBytes;
  };
  const cutAll = () => Promise.all(PROVIDERS.map((provider) => bed.network.cut('bonn', provider)));
  const mendAll = () => Promise.all(PROVIDERS.map((provider) => bed.network.mend('bonn', provider)));
  /** Cuts all paths when a copy of this step has sent something. */
  const cutting = (step: string, which: 'copy' | 'disk') => {
    const from = at;
    let cut: Promise<void> | undefined;
    return {
      async before(begun: string) {
        if (begun !== step) return;
        const underWay = async () => {
          const copy = (await instance(from))?.[which];
          return copy?.state === 'copying' && copy.sentBytes > 0;
        };
        cut = until(underWay).then(async () => void (await cutAll()));
        cut.catch(() => {});
      },
      /** Rejects if the copy ended before the cut. */
      done: async () => cut,
    };
  };
  afterEach(async () => {
    for (const agent of bed.agents.values()) await agent.order(vm, 'remove', {});
    for (const site of bed.agents.keys()) {
      await expect(stat(filesAt(site).folder), `files at ${site} of a removed VM`).rejects.toThrow();
    }
  });

  test('a VM moves there and back while its guest writes: no write is lost, its memory is intact, and unchanged data is not sent again', async () => {
    await begin('vm1', FILLING_BPS);
    await guest('fill', '20000000');
    const memory = await guest('checksum');
    await writes(DISK_BYTES, 80_000);
    await guest('disk-write', `${MUCH_BPS}`);

    const before = await written();
    const there = await go('bonn');
    await isConfined();
    const between = await written();
    const back = await go('oslo');
    expect(between).toBeGreaterThan(before);
    expect(await written()).toBeGreaterThan(between);
    for (const { degraded } of [there, back]) expect(degraded).toEqual([]);
    expect(there.diskBytes).toBeGreaterThanOrEqual(DISK_BYTES);
    expect(back.diskBytes).toBeGreaterThan(0);
    expect(back.diskBytes).toBeLessThan(FEW_BYTES);

    // The guest is in its second round over the disk.
    await until(async () => (await written()) > DISK_BYTES * 1.1, 80_000);
    const [checked, rounds] = await verified();
    expect(checked).toBeGreaterThan(10);
    expect(rounds).toBeGreaterThan(0);
    expect(await guest('checksum')).toBe(memory);
  }, 240_000);

  onlyLong(() => {
    test('a VM returns over a third site: only the writes at both sites are sent', async () => {
      await begin('vm2');
      await go('bonn');
      await writes(SOME_BYTES);
      expect((await go('kiel')).diskBytes).toBeGreaterThanOrEqual(DISK_BYTES);
      await writes(SOME_BYTES);
      const diskBytes = await goUnchanged('oslo');
      expect(diskBytes).toBeGreaterThan(2 * SOME_BYTES);
      expect(diskBytes).toBeLessThan(DISK_BYTES);
      // The site in the middle has kept its copy too.
      expect(await goUnchanged('bonn')).toBeLessThan(DISK_BYTES);
    }, 120_000);

    test('a copy omits only data that is certainly at the destination', async () => {
      await begin('vm3');
      await go('bonn');
      await appendFile(filesAt('oslo').kept, 'x');
      expect(await goUnchanged('oslo'), 'a kept disk that was touched').toBeGreaterThanOrEqual(DISK_BYTES);

      // The guest changes the disk, so that the kept one differs.
      await guest('disk-write', `${MUCH_BPS}`);
      await writes(SOME_BYTES);
      const { note } = filesAt('bonn');
      const { token, ...rest } = JSON.parse(await readFile(note, 'utf8'));
      await writeFile(note, JSON.stringify({ token: `${token}x`, ...rest }));
      expect(await goUnchanged('bonn'), 'one of another hand-over').toBeGreaterThanOrEqual(DISK_BYTES);

      for (const site of ['oslo', 'bonn']) {
        await bed.killAgent(site);
        await bed.startAgent(site);
      }
      expect(await goUnchanged('oslo'), 'one whose agents were restarted').toBeLessThan(FEW_BYTES);

      await bed.killQemu('oslo', vm);
      await until(async () => (await instance('oslo'))?.state === 'dead');
      await startVm(bed, vm, 'oslo', spec);
      expect(await goUnchanged('bonn'), 'one from before QEMU was started anew').toBeGreaterThanOrEqual(DISK_BYTES);
    }, 120_000);

    test('a return is cancelled: the VM runs on with all its writes, and the next return is complete', async () => {
      await begin('vm4', MUCH_BPS);
      await go('bonn');
      const { before, done } = cutting('memory', 'copy');
      try {
        const moving = go('oslo', { before, rules: { ...RULES, stallMs: 2500 } });
        await expect(moving).rejects.toMatchObject({ code: 'STALLED' });
        await done();
      } finally {
        await mendAll();
      }
      expect((await instance('bonn'))?.state).toBe('running');
      await writes(SOME_BYTES);
      expect((await verified())[0]).toBeGreaterThan(3);
      expect(await goUnchanged('oslo')).toBeGreaterThanOrEqual(DISK_BYTES);
      // bonn has kept its disk in two layers.
      expect(await goUnchanged('bonn')).toBeLessThan(FEW_BYTES);
    }, 120_000);
  });

  test('a mirror stalls: the move fails, and the VM runs on at its source, with its disk', async () => {
    await begin('vm5', MUCH_BPS);
    const { before, done } = cutting('disk', 'disk');
    try {
      const moving = go('bonn', { before, rules: { ...RULES, stallMs: 2500 } });
      await expect(moving).rejects.toMatchObject({ code: 'STALLED' });
      await done();
    } finally {
      await mendAll();
    }
    expect((await instance('oslo'))?.state).toBe('running');
    // The guest goes on writing, and no write was lost.
    await writes(SOME_BYTES);
    expect((await verified())[0]).toBeGreaterThan(3);
  }, 120_000);
});
