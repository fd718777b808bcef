/** Checks the kernel that an agent needs: its version, multipath TCP, and a clock that agrees with other hosts. */
import { access, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { run } from '#services/agent/process.ts';
import { bad, type Finding, ok } from './finding.ts';

/** The oldest kernel on which the announcement of addresses by agents is known to work. */
const LEAST_KERNEL = [5, 16] as const;
/** The MPTCP limit of subflows that an agent needs. */
const MPTCP_LIMIT = 8;

const setting = async (path: string) => (await readFile(path, 'utf8').catch(() => undefined))?.trim();

/** Checks everything about the kernel. */
export async function kernelFindings(): Promise<Finding[]> {
  const limits = await run('ip', ['mptcp', 'limits', 'show']).catch(() => undefined);
  return [
    kernelFinding(release()),
    mptcpFinding(await setting('/proc/sys/net/mptcp/enabled')),
    limitsFinding(limits?.stdout),
    filterFinding(await setting('/proc/sys/net/ipv4/conf/all/rp_filter')),
    clockFinding(await clockState()),
  ];
}

/** @param version as `uname -r` prints it */
export function kernelFinding(version: string): Finding {
  const what = 'Linux';
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number);
  const [leastMajor, leastMinor] = LEAST_KERNEL;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return ok(what, version);
  return bad('missing', what, version, `take a kernel of at least ${LEAST_KERNEL.join('.')}`);
}

/** @param enabled the value of net.mptcp.enabled; undefined if the kernel has no such setting */
export function mptcpFinding(enabled: string | undefined): Finding {
  const what = 'multipath TCP';
  if (enabled === '1') return ok(what, 'net.mptcp.enabled = 1');
  if (enabled === undefined) return bad('missing', what, 'the kernel has none', 'take a kernel with CONFIG_MPTCP');
  return bad('missing', what, `net.mptcp.enabled = ${enabled}`, 'sysctl -w net.mptcp.enabled=1, and in /etc/sysctl.d/');
}

/** @param said the output of `ip mptcp limits show`; undefined if it fails */
export function limitsFinding(said: string | undefined): Finding {
  const what = 'MPTCP limits';
  const limit = (name: string) => Number(new RegExp(`${name} (\\d+)`).exec(said ?? '')?.[1] ?? Number.NaN);
  const [subflows, accepted] = [limit('subflows'), limit('add_addr_accepted')];
  const found = `subflows ${subflows}, add_addr_accepted ${accepted}`;
  const set = `ip mptcp limits set subflows ${MPTCP_LIMIT} add_addr_accepted ${MPTCP_LIMIT}`;
  if (Number.isNaN(subflows + accepted))
    return bad('missing', what, 'cannot be read', 'install iproute2 of at least 5.8');
  if (Math.min(subflows, accepted) >= MPTCP_LIMIT) return ok(what, found);
  return bad('wanting', what, found, `${set} (an agent does when it starts; clients need it, too)`);
}

/** @param filter the value of net.ipv4.conf.all.rp_filter; 1 drops packets that arrive on another route than that of their answers */
export function filterFinding(filter: string | undefined): Finding {
  const what = 'reverse path filter';
  const found = `net.ipv4.conf.all.rp_filter = ${filter ?? 'unknown'}`;
  if (filter !== '1') return ok(what, found);
  return bad(
    'wanting',
    what,
    found,
    'sysctl -w net.ipv4.conf.all.rp_filter=2: paths by several providers are not symmetrical',
  );
}

type Clock = { readonly by: string; readonly synchronised: boolean } | undefined;

/** The service that sets the clock, and whether it is synchronised; undefined if no service reports it. */
async function clockState(): Promise<Clock> {
  const systemd = await run('timedatectl', ['show', '--property=NTPSynchronized', '--value']).catch(() => undefined);
  if (systemd !== undefined) return { by: 'systemd', synchronised: systemd.stdout.trim() === 'yes' };
  const chrony = await run('chronyc', ['-n', 'tracking']).catch(() => undefined);
  if (chrony !== undefined) return { by: 'chrony', synchronised: /^Leap status\s*: Normal$/m.test(chrony.stdout) };
  const timesyncd = await access('/run/systemd/timesync/synchronized').then(
    () => true,
    () => false,
  );
  return timesyncd ? { by: 'systemd-timesyncd', synchronised: true } : undefined;
}

/** Events carry the times of many hosts; decisions need them in one order. */
export function clockFinding(clock: Clock): Finding {
  const what = 'clock';
  const remedy = 'run chrony or systemd-timesyncd';
  if (clock === undefined) return bad('wanting', what, 'nobody says whether it is synchronised', remedy);
  if (clock.synchronised) return ok(what, `synchronised, says ${clock.by}`);
  return bad('wanting', what, `not synchronised, says ${clock.by}`, remedy);
}
