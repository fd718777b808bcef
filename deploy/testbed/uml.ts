/**
 * Delayed cables on hosts whose kernel has no `netem`: Debian's user-mode-linux is a kernel with netem that runs as an
 * ordinary process. Its taps are a cable's two ends. It is fast because it passes on segments as large as the sender's
 * (`gro=1`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { type Child, watchChild } from '#shared/child.ts';
import { TagalongError } from '#shared/errors.ts';
import { delayLines, looseEnds } from './netem.ts';
import type { Impairment } from './topology.ts';

const INIT = new URL('uml-init.sh', import.meta.url).pathname;
/** The output of `uml-init.sh` once packets pass, and the prefix of its errors. */
const SAYS = 'delay: ';
const READY = new RegExp(`^${SAYS}ready\\s*$`, 'm');
/** The longest time of a start; it usually takes a second. */
const BOOT_MS = 30_000;
/** Limited by the command line, which names the devices and has at most 4096 characters. */
export const CABLES_EACH = 32;
const KERNEL_BYTES = 64 * 2 ** 20;
/** Memory of a packet in flight, for each byte of its length. */
const MEMORY_FACTOR = 4;

/**
 * Starts as many kernels as the cables need, one for each 32 cables.
 * @returns a function that stops them
 * @throws TagalongError TESTBED_MISSING if one does not start
 */
export async function startUml(
  { namespace, folder }: { readonly namespace: string; readonly folder: string },
  cables: readonly Impairment[],
): Promise<() => void> {
  const kernels: ChildProcess[] = [];
  let wanted = true;
  const end = () => {
    wanted = false;
    for (const kernel of kernels) kernel.kill('SIGKILL');
  };
  const start = async (first: number) => {
    const own = cables.slice(first, first + CABLES_EACH);
    const path = `${folder}/uml${first / CABLES_EACH}`;
    await writeFolder(path, own);
    // The kernel's clock times the packets, so it must not wait for a processor that guests use.
    const nice = ['nice', '-n', '-10', 'linux.uml', ...commandLine(path, own, first)];
    const kernel = spawn('ip', ['netns', 'exec', namespace, ...nice], { stdio: 'pipe' });
    kernels.push(kernel);
    await untilReady(watchChild(kernel));
    // Not when the Child has ended: helpers of the kernel outlive it, and hold its output open.
    kernel.once('exit', () => {
      if (wanted) process.emitWarning('user-mode-linux has ended: the delayed paths of this test bed are gone');
    });
  };
  try {
    const firsts = cables.map((_, i) => i).filter((i) => i % CABLES_EACH === 0);
    await Promise.all(firsts.map(start));
  } catch (error) {
    end();
    throw error;
  }
  return end;
}

/** A cable's devices inside the kernel. */
const devices = (cable: number) => [`vec${2 * cable}`, `vec${2 * cable + 1}`] as const;

/** The script that the first process of a kernel reads. */
async function writeFolder(path: string, cables: readonly Impairment[]): Promise<void> {
  const up = cables.flatMap((_, i) => devices(i).map((name) => `link set ${name} up`));
  const delays = cables.flatMap((cable, i) => delayLines(devices(i), cable));
  await mkdir(path);
  await copyFile(INIT, `${path}/init`);
  await writeFile(`${path}/ip`, `${up.join('\n')}\n`);
  await writeFile(`${path}/tc`, `${delays.join('\n')}\n`);
}

/**
 * The command line of a kernel.
 * @param path its folder
 * @param first number of the first of its cables
 */
export function commandLine(path: string, cables: readonly Impairment[], first: number): string[] {
  const underWay = cables.reduce((sum, { rateBps, delayMs }) => sum + (2 * rateBps * delayMs) / 1000, 0);
  const taps = cables.flatMap((_, i) =>
    looseEnds(first + i).map((end, k) => `${devices(i)[k]}:transport=tap,ifname=${end},gro=1`),
  );
  return [
    `mem=${Math.ceil((KERNEL_BYTES + MEMORY_FACTOR * underWay) / 2 ** 20)}M`,
    // The kernel's disk is the host's, read-only: it runs the host's own ip and tc.
    ...['root=/dev/root', 'rootfstype=hostfs', 'ro', 'quiet', `uml_dir=${path}/`],
    // The kernel's console is a pair of pipes. It ends when its input closes, which happens when this process is gone.
    ...['con=null', 'ssl=null', 'con0=fd:0,fd:1'],
    ...taps,
    ...['init=/bin/sh', '--', `${path}/init`, path],
  ];
}

/** Its script says why it ends; where it could not, the last line of the kernel does. */
async function untilReady(kernel: Child): Promise<void> {
  try {
    await kernel.printed(READY, BOOT_MS);
  } catch (cause) {
    const said = `${kernel.stdout}${kernel.stderr}`
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    const why = kernel.running
      ? `it was not ready after ${BOOT_MS / 1000} s`
      : (said.find((line) => line.startsWith(SAYS))?.slice(SAYS.length) ?? said.at(-1) ?? 'it said nothing');
    throw new TagalongError(
      'TESTBED_MISSING',
      `user-mode Linux, which delays packets, did not start: ${why}; read its output, and check npm run prerequisites`,
      { cause },
    );
  }
}
