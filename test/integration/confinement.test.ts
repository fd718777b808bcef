/** What the processes of a VM may use of their host, tried with programs that want more. */
import { execFile, spawn } from 'node:child_process';
import { access, chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOG_BYTES, openBoundedLog, settledLog } from '#services/agent/bounded-log.ts';
import { asUser, closeFolder, openFolder } from '#services/agent/confinement.ts';
import { ControlGroups, placesOf } from '#services/agent/control-groups.ts';
import { isAlive, startDetached } from '#services/agent/process.ts';
import { until } from '#shared/clock/retry.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const limited = (await ControlGroups.find()).limited;
/** Long enough for a busy host. */
const SOON = { everyMs: 10, withinMs: 20_000 };

let folder: string;
beforeEach(async () => {
  const parent = await mkdtemp(join(tmpdir(), 'tagalong-confined-'));
  await chmod(parent, 0o711);
  folder = join(parent, 'vm');
});
afterEach(() => rm(join(folder, '..'), { recursive: true }));

describe.skipIf(!isRoot)(`the user of a VM${isRoot ? '' : ' (skipped: needs root)'}`, () => {
  const asVm = (diskBytes: number, program: string, ...args: string[]) => {
    const command = asUser({ vm: 'v1', diskBytes, groups: [0x7000_0000] }, { program, args });
    return run(command.program, [...command.args]);
  };

  test('makes no file that is much larger than its disk', async () => {
    await openFolder(folder, 'v1');
    const path = join(folder, 'more');
    await expect(asVm(10 * 2 ** 20, 'truncate', '-s', '85M', path)).rejects.toThrow();
    expect((await stat(path)).size).toBe(0);
    await asVm(10 * 2 ** 20, 'truncate', '-s', '84M', path);
    await closeFolder(folder);
    await expect(asVm(0, 'touch', join(folder, 'another'))).rejects.toThrow();
  });
});

describe.skipIf(!isRoot)(`the log of a QEMU${isRoot ? '' : ' (skipped: needs root)'}`, () => {
  const print = async (script: string) => {
    await openFolder(folder, 'v1');
    const path = join(folder, 'qemu.log');
    const log = await openBoundedLog(path);
    const id = await startDetached('sh', ['-c', script], log.input);
    log.input.destroy();
    return { path, id, reader: log.pid };
  };
  const isOver = async (pid: number) =>
    !(await access(`/proc/${pid}`).then(
      () => true,
      () => false,
    ));

  test('has the beginning and the end of what it prints, and an upper size', async () => {
    const { path, reader } = await print('echo first >&2; seq 1000000; echo last >&2');
    const status = await readFile(`/proc/${reader}/status`, 'utf8').catch(() => undefined);
    if (status !== undefined) expect(/^CapEff:\s*(\w+)$/m.exec(status)![1]).toMatch(/^0+$/);
    expect(await until(() => isOver(reader), SOON)).toBe(true);
    const text = await readFile(path, 'utf8');
    expect(text.length).toBeLessThanOrEqual(LOG_BYTES);
    expect(text).toMatch(/^first\n1\n2\n/);
    expect(text).toMatch(/\n1000000\nlast\n$/);
  });

  test('is written while it runs', async () => {
    const { path, id } = await print('echo now; exec sleep 60');
    expect(await until(async () => (await readFile(path, 'utf8')) === 'now\n', SOON)).toBe(true);
    process.kill(id.pid, 'SIGKILL');
  });

  test('outlives the next start, and no longer', async () => {
    const first = await print('echo one');
    await settledLog(first.path);
    const second = await print('echo two');
    await settledLog(second.path);
    expect([await readFile(`${second.path}.old`, 'utf8'), await readFile(second.path, 'utf8')]).toEqual([
      'one\n',
      'two\n',
    ]);
  });

  test('does not end it when nobody reads any more', async () => {
    const { id, reader } = await print('trap "" PIPE; while sleep 0.01; do echo more; done 2>/dev/null');
    process.kill(reader, 'SIGKILL');
    expect(await until(() => isOver(reader), SOON)).toBe(true);
    expect(await isAlive(id)).toBe(true);
    process.kill(id.pid, 'SIGKILL');
  });
});

const why = limited.includes('pids') ? '' : ' (skipped: no control group for tasks can be made here)';
describe.skipIf(why !== '')(`the control group of a VM${why}`, () => {
  const limits = { memoryBytes: 256 * 2 ** 20, tasks: 8, cpus: 2, weight: 1 };

  test('holds its processes to its limits, again after a change, and goes with them', async () => {
    const groups = await ControlGroups.find();
    const child = spawn('sh', ['-c', 'read x; for i in $(seq 20); do sleep 60 & done; wait'], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    try {
      for (const memoryBytes of [limits.memoryBytes, 2 * limits.memoryBytes, limits.memoryBytes]) {
        await groups.confine(folder, { ...limits, memoryBytes }, [child.pid!]);
      }
      const own = placesOf(mounts, await readFile(`/proc/${child.pid}/cgroup`, 'utf8'));
      const { base: group } = own.find(({ resources }) => resources.includes('pids'))!;
      child.stdin.write('go\n');
      expect(await until(async () => said !== '', SOON)).toBe(true);
      expect((await readFile(`${group}/cgroup.procs`, 'utf8')).trim().split('\n').length).toBeLessThanOrEqual(
        limits.tasks,
      );
      process.kill(-child.pid!, 'SIGKILL');
      await groups.release(folder);
      await expect(access(group)).rejects.toMatchObject({ code: 'ENOENT' });
    } finally {
      child.kill('SIGKILL');
    }
  });
});
