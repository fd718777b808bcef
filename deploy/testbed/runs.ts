/** Registers each run under an id, so that this run or a later one can remove its remains from the host. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ControlGroups } from '#services/agent/control-groups.ts';
import { startTicks } from '#services/agent/process.ts';

const run = promisify(execFile);
const RUNS = '/run/tagalong';

/** A run's folder; it contains the process id of the owner. */
export interface RunFolder {
  readonly id: string;
  readonly path: string;
}

/** Claims a new run for this process. */
export async function claimRun(): Promise<RunFolder> {
  const id = randomBytes(2).toString('hex');
  const path = `${RUNS}/${id}`;
  await mkdir(RUNS, { recursive: true, mode: 0o755 });
  // The users of QEMUs pass through it.
  await mkdir(path, { mode: 0o711 });
  await writeFile(`${path}/owner`, `${process.pid} ${await startTicks(process.pid)}`);
  return { id, path };
}

/** The full name of a namespace of a run. */
export function namespaceName(id: string, name: string): string {
  return `tg-${id}-${name}`;
}

/** Ends every process in a run's namespaces, and removes the namespaces and the run's folder. Does nothing if none is left. */
export async function removeRun(id: string): Promise<void> {
  const prefix = namespaceName(id, '');
  const namespaces = (await namespacesNow()).filter((name) => name.startsWith(prefix));
  for (const name of namespaces) {
    const { stdout } = await run('ip', ['netns', 'pids', name]).catch(() => ({ stdout: '' }));
    for (const pid of stdout.split('\n').filter(Boolean)) kill(Number(pid));
  }
  for (const name of namespaces) await run('ip', ['netns', 'del', name]).catch(() => {});
  await releaseGroups(`${RUNS}/${id}`);
  await rm(`${RUNS}/${id}`, { recursive: true, force: true });
}

/** Removes the control groups of VMs that ended together with their agents. */
async function releaseGroups(path: string): Promise<void> {
  const groups = await ControlGroups.find();
  for (const site of await readdir(path).catch(() => [])) {
    for (const vm of await readdir(`${path}/${site}`).catch(() => [])) await groups.release(`${path}/${site}/${vm}`);
  }
}

/** Removes the remains of runs whose owner has ended. @returns their ids */
export async function sweepRuns(): Promise<string[]> {
  const swept: string[] = [];
  for (const id of await readdir(RUNS).catch(() => [] as string[])) {
    const [pid, ticks] = (await readFile(`${RUNS}/${id}/owner`, 'utf8').catch(() => '')).split(' ');
    if (pid && String(await startTicks(Number(pid))) === ticks) continue;
    await removeRun(id);
    swept.push(id);
  }
  return swept;
}

async function namespacesNow(): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'list']);
  return stdout.split('\n').map((line) => line.split(' ')[0]!);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process ended by itself meanwhile.
  }
}
