import { type Gap, type ProbeReport, probe, type Transport } from '#services/probe/probe.ts';
import { retry } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import { bytes, counted, duration, timeOfDay } from '#shared/format.ts';
import { table } from '../output/table.ts';
import { ask } from './client.ts';
import { underMptcpize } from './mptcpize.ts';
import { aborted, stopRequest } from './signals.ts';

export interface ProbeCommandOptions {
  readonly to: { readonly host: string; readonly port: number };
  readonly intervalMs: number;
  readonly gapMs: number;
  readonly loadBps: number;
  readonly durationS?: number;
  readonly mptcp?: true;
  readonly reconnect?: true;
  readonly report?: string;
  readonly vm?: string;
  readonly user?: string;
  readonly json?: string;
}

const REPORT_TRIES = 3;
const REPORT_AGAIN_MS = 1000;

/**
 * Probes until it is stopped or the connection is lost. Lost bytes and lost connections are failures; a gap of any length is not.
 * @throws TagalongError USAGE, SERVER_UNREACHABLE; CONNECTION_BROKEN after the report, if the connection failed
 */
export async function runProbe(options: ProbeCommandOptions): Promise<void> {
  const { to, durationS, mptcp, reconnect = false, json, intervalMs, gapMs, loadBps } = options;
  const reporter = reporterOf(options);
  if (json !== undefined && json !== '-')
    throw new TagalongError('USAGE', '--json: gives the result on standard output only; write --json -');
  if (mptcp) underMptcpize();

  const stop = stopRequest();
  const running = probe({
    ...{ ...to, intervalMs, gapMs, loadBps, reconnect },
    ...(durationS !== undefined && { durationMs: durationS * 1000 }),
  });
  const print = (event: string, data: object) => process.stdout.write(`${JSON.stringify({ event, ...data })}\n`);
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  running.onConnected((transport) => {
    if (json) print('connected', transport);
    else say(connectedLine(options, transport));
    if (mptcp && transport.transport === 'tcp') say('probe: fell back to plain TCP, which --mptcp did not ask for');
  });
  const reports: Promise<void>[] = [];
  running.onGap((gap) => {
    if (json) print('gap', gap);
    else say(gapLine(gap));
    const unreported = ({ message }: Error) => say(`probe: the gap was not reported: ${message}`);
    if (reporter) reports.push(reporter(gap).catch(unreported));
  });
  void aborted(stop).then(() => running.stop());
  const report = await running.done;
  await Promise.all(reports);
  if (json) print('report', report);
  else process.stdout.write(reportTable(report));
  const broken = brokenBy(report);
  if (broken.length > 0)
    throw new TagalongError('CONNECTION_BROKEN', `the connection did not hold: ${broken.join(', ')}`);
}

/** Lists the faults of the connection: lost connections; lost, reordered and corrupted bytes. */
function brokenBy({ resets, lostBytes, reorderedBytes, corruptedBytes }: ProbeReport): string[] {
  const lost = resets > 0 ? [`${counted(resets, 'connection')} lost`] : [];
  const wrong = Object.entries({ lost: lostBytes, reordered: reorderedBytes, corrupted: corruptedBytes });
  return [...lost, ...wrong.flatMap(([what, n]) => (n > 0 ? [`${bytes(n)} ${what}`] : []))];
}

/** Returns the function that reports a gap to a running Tagalong. */
function reporterOf({ report: url, vm, user }: ProbeCommandOptions): ((gap: Gap) => Promise<void>) | undefined {
  if (url === undefined) return undefined;
  if (vm === undefined || user === undefined) {
    throw new TagalongError('USAGE', '--report: needs the VM and its user; give --vm and --user');
  }
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new TagalongError('USAGE', '--report: must be http://HOST:PORT or https://HOST:PORT');
  }
  return async (gap) => {
    const report = () => ask({ url }, 'POST', '/v1/interruptions', { vm, user, ...gap });
    // A retry is safe because a repeated report counts once. A refusal is final because the server would refuse again.
    const isPassing = (error: unknown) => error instanceof TagalongError && error.code === 'SERVER_UNREACHABLE';
    await retry(report, { everyMs: REPORT_AGAIN_MS, tries: REPORT_TRIES, isPassing });
  };
}

function connectedLine({ to, intervalMs }: ProbeCommandOptions, { transport, subflows }: Transport): string {
  const how = { mptcp: `MPTCP, ${counted(subflows, 'subflow')}`, tcp: 'plain TCP', unknown: 'TCP or MPTCP' }[transport];
  return `Connected to ${to.host}:${to.port} over ${how}; a message every ${intervalMs} ms. Ctrl-C ends it.`;
}

function gapLine({ atMs, gapMs, resets, lostBytes }: Gap): string {
  const lost = resets === 0 ? '' : `, ${counted(resets, 'connection')} lost`;
  return `${timeOfDay(atMs)}  gap of ${duration(gapMs)}${lost}${lostBytes === 0 ? '' : `, ${bytes(lostBytes)} lost`}`;
}

function reportTable(report: ProbeReport): string {
  const { transport, subflows, connections, resets, gapCount } = report;
  const rows: [string, string][] = [
    ['time', duration(report.toMs - report.fromMs)],
    ['transport', `${transport}, ${counted(subflows, 'subflow')}`],
    ['connections', `${connections}, of which ${resets} lost`],
    ['longest gap', duration(report.longestGapMs)],
    ['gaps told', `${gapCount}`],
    ['own delay, at most', duration(report.ownDelayMs)],
    ['sent', bytes(report.sentBytes)],
    ['lost', bytes(report.lostBytes)],
    ['reordered', bytes(report.reorderedBytes)],
    ['corrupted', bytes(report.corruptedBytes)],
  ];
  return table([{ head: 'probe' }, { head: '' }], rows);
}
