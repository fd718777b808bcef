/** One run: one policy, one seed. In whichever thread it is carried out, its result is the same. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { TraceReport } from '#services/replay/traces/report.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Fact } from '#shared/events/index.ts';
import type { RunResult } from './engine.ts';
import { type ReportData, ReportDataCollector } from './report-data/collector.ts';
import { runPolicy } from './run-policy.ts';
import type { SharedTrace } from './shared-trace.ts';
import { type Origin, playOf, type Subject } from './subject.ts';

/** The parameters that all runs of a comparison share. */
export interface Material {
  readonly subject: Subject;
  readonly config: Config;
  /** The subject's positions, where they were read before. */
  readonly shared?: SharedTrace & { readonly report: TraceReport };
}

export interface RunOrder {
  readonly policy: string;
  readonly seed: number;
  /** File for every decision and migration event, one JSON object a line. */
  readonly factsPath?: string;
  /** True: collects the data for a report. */
  readonly withReportData?: boolean;
}

export interface RunReport {
  readonly result: RunResult;
  readonly origin: Origin;
  readonly reportData?: ReportData;
}

/** @throws TagalongError what {@link playOf} and {@link runPolicy} throw */
export async function carryOut(
  { policy, seed, factsPath, withReportData }: RunOrder,
  material: Material,
): Promise<RunReport> {
  const { subject, config, shared } = material;
  const { origin, ...play } = await playOf(subject, seed, shared);
  const watcher = withReportData ? new ReportDataCollector(play.sites, config.policy) : undefined;
  const facts = factsPath === undefined ? undefined : factFile(factsPath);
  // A recorded trace knows no chance: its lines are those that a replay writes.
  const which = subject.kind === 'trace' ? { policy } : { policy, seed };
  try {
    const result = await runPolicy({
      ...play,
      config: { ...config, policy: { ...config.policy, name: policy } },
      ...(facts && { observe: (fact: Fact) => facts.write({ ...which, ...fact }) }),
      ...(watcher && { watcher }),
    });
    return {
      result,
      origin: { ...origin, ...(origin.trace && { trace: { ...origin.trace } }) },
      ...(watcher && !result.isBound && { reportData: watcher.reportData() }),
    };
  } finally {
    facts?.close();
  }
}

/** Some thousand events. */
const CHUNK_CHARACTERS = 2 ** 20;

/** A run does not wait for anything, so that a stream would keep all it is given until its end. */
function factFile(path: string) {
  const file = openSync(path, 'w');
  let text = '';
  const flush = () => {
    writeSync(file, text);
    text = '';
  };
  return {
    write(line: object) {
      text += `${JSON.stringify(line)}\n`;
      if (text.length > CHUNK_CHARACTERS) flush();
    },
    close() {
      flush();
      closeSync(file);
    },
  };
}
