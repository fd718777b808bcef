/** Checks the programs that an agent runs, and the acceleration that guests can use. */
import { kvmWorks } from '#services/agent/accel.ts';
import { run } from '#services/agent/process.ts';
import type { AgentConfig } from '#shared/config/agent.ts';
import { bad, type Finding, ok } from './finding.ts';

const LEAST_QEMU = 10;
/** A program, its Debian package, and an argument that makes it print its version only. */
const PROGRAMS = [
  ['ip', 'iproute2', '-V'],
  ['ss', 'iproute2', '-V'],
  ['nft', 'nftables', '--version'],
  ['setpriv', 'util-linux', '--version'],
  ['prlimit', 'util-linux', '--version'],
  ['perl', 'perl', '-eprint "perl $^V"'],
  ['qemu-img', 'qemu-utils', '--version'],
] as const;

/** @param qemu the agent's settings of QEMU, if there are any */
export async function programFindings(qemu: Pick<AgentConfig['qemu'], 'binary' | 'accel'>): Promise<Finding[]> {
  const version = (program: string, argument: string) =>
    run(program, [argument]).then(
      ({ stdout, stderr }) => (stdout || stderr).split('\n')[0]!,
      () => undefined,
    );
  const others = await Promise.all(
    PROGRAMS.map(async ([program, from, argument]): Promise<Finding> => {
      const said = await version(program, argument);
      if (said !== undefined) return ok(program, said);
      return bad('missing', program, 'not there', `install the package ${from}`);
    }),
  );
  const emulator = qemuFinding(qemu.binary, await version(qemu.binary, '--version'));
  if (emulator.state === 'missing') return [emulator, ...others];
  const kvm = qemu.accel !== 'tcg' && (await kvmWorks(qemu.binary));
  return [emulator, kvmFinding(qemu.accel, kvm), ...others];
}

/** @param said the first line of its --version; undefined if it cannot be run */
export function qemuFinding(binary: string, said: string | undefined): Finding {
  const what = 'QEMU';
  const remedy = `install QEMU of at least ${LEAST_QEMU}.0: sh deploy/testbed/prerequisites.sh does on Debian`;
  if (said === undefined) return bad('missing', what, `${binary} cannot be run`, remedy);
  const major = Number(/version (\d+)/.exec(said)?.[1] ?? 0);
  return major >= LEAST_QEMU ? ok(what, said) : bad('missing', what, said, remedy);
}

/** @param works true if a guest boots under it */
export function kvmFinding(accel: AgentConfig['qemu']['accel'], works: boolean): Finding {
  const what = 'KVM';
  if (works) return ok(what, 'a guest boots under it');
  if (accel === 'tcg') return ok(what, 'not wanted: qemu.accel is tcg');
  const remedy = 'switch virtualisation on in the firmware, or nested where this is a VM; load kvm_intel or kvm_amd';
  if (accel === 'kvm') return bad('missing', what, 'no guest boots under it, and qemu.accel is kvm', remedy);
  return bad('wanting', what, 'no guest boots under it: guests are emulated, and slow', remedy);
}
