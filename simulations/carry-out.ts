/** Carries out one run: one policy with one seed. Its result does not depend on the thread. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { TraceReport } from '#services/replay/traces/report.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Fact } from '#shared/events/index.ts';
import type { RunResult } from './engine.ts';
import type { PlannedRunInput } from './offline/foresight.ts';
import { type ReportData, ReportDataCollector } from './report-data/collector.ts';
import { runPolicy } from './run-policy.ts';
import type { SharedTrace } from './shared-trace.ts';
import { type Origin, playOf, type Subject } from './subject.ts';

/** The parameters that all runs of a comparison share. */
export interface Material {
  readonly subject: Subject;
  readonly config: Config;
  /** The positions of the subject, if they have been read before. */
  readonly shared?: SharedTrace & { readonly report: TraceReport };
}

/** The parameters of one run. */
export interface RunOrder {
  readonly policy: string;
  readonly seed: number;
  /** A file for every decision and migration event, one JSON object a line. */
  readonly factsPath?: string;
  /** True: collects the data for a report. */
  readonly withReportData?: boolean;
}

/** The result of one run. */
export interface RunReport {
  readonly result: RunResult;
  readonly origin: Origin;
  readonly reportData?: ReportData;
}

/** The foresight of this thread's planners: of the last seed alone, because it takes as much memory as the trace. */
const foreseen = new WeakMap<
  Material,
  { readonly seed: number; readonly shared: PlannedRunInput['shared'] & object }
>();

function sharedForesight(material: Material, seed: number): PlannedRunInput['shared'] & object {
  const known = foreseen.get(material);
  if (known?.seed === seed) return known.shared;
  const shared = {};
  foreseen.set(material, { seed, shared });
  return shared;
}

/** @throws TagalongError the errors of {@link playOf} and {@link runPolicy} */
export async function carryOut(
  { policy, seed, factsPath, withReportData }: RunOrder,
  material: Material,
): Promise<RunReport> {
  const { subject, config, shared } = material;
  const { origin, ...play } = await playOf(subject, seed, shared);
  const watcher = withReportData ? new ReportDataCollector(play.sites, config.policy) : undefined;
  const facts = factsPath === undefined ? undefined : factFile(factsPath);
  // A recorded trace has no seed. Its lines must be the same as those of a replay.
  const runKey = subject.kind === 'trace' ? { policy } : { policy, seed };
  try {
    const result = await runPolicy({
      ...play,
      config: { ...config, policy: { ...config.policy, name: policy } },
      shared: sharedForesight(material, seed),
      ...(facts && { observe: (fact: Fact) => facts.write({ ...runKey, ...fact }) }),
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

/** Some thousands of events. */
const CHUNK_CHARACTERS = 2 ** 20;

/** Writes synchronously. A run never yields to the event loop, so a stream would hold all lines in memory until the end of the run. */
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
