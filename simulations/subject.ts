/** The subject of a simulation, as data: it can be sent to another thread, and played once for each run. */

import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { TraceReport } from '#services/replay/traces/report.ts';
import { openTrace, type TraceOptions } from '#services/replay/traces/trace.ts';
import type { VmSpec } from '#shared/events/index.ts';
import { generate } from './generators/generate.ts';
import { northeastCorridor } from './scenarios/northeast-corridor.ts';
import type { ScenarioVm } from './scenarios/scenario.ts';
import { type SharedTrace, sharedBatches } from './shared-trace.ts';

/** The movements that a simulation plays. */
export type Subject =
  /** Recorded positions. Each user gets a VM if none is declared. There is no randomness. */
  | {
      readonly kind: 'trace';
      readonly path: string;
      readonly options: TraceOptions;
      readonly sites: readonly SiteSpec[];
      /** Left out: each user gets one. */
      readonly vms?: readonly ScenarioVm[];
    }
  /** Generated positions, drawn from the seed. `generator` as {@link generate} takes it. Without sites there is a grid. */
  | { readonly kind: 'generated'; readonly generator: string; readonly sites?: readonly SiteSpec[] }
  /** The shipped scenario, drawn from the seed. It has its own sites and VMs. */
  | { readonly kind: 'scenario' };

/** The movements of a subject for one seed. They can be played once. */
export interface Play {
  readonly sites: readonly SiteSpec[];
  /** The VMs. Without them, each user gets one. */
  readonly vms?: readonly ScenarioVm[];
  readonly batches: AsyncIterable<readonly Fix[]> | Iterable<readonly Fix[]>;
  readonly origin: Origin;
}

/** The origin of the positions, as results show it. The figures of the trace are complete once it has been played. */
export interface Origin {
  readonly trace?: TraceReport;
  readonly scenario?: string;
  /** The VM that each user of a trace gets. */
  readonly vm?: VmSpec;
}

/**
 * Opens the movements of a subject for one seed.
 * @param shared the positions, if the trace has been read before
 * @throws TagalongError the errors of opening a trace, USAGE from a generator
 */
export async function playOf(
  subject: Subject,
  seed: number,
  shared?: SharedTrace & { readonly report: TraceReport },
): Promise<Play> {
  switch (subject.kind) {
    case 'scenario': {
      const { name, sites, vms, fixes } = northeastCorridor(seed);
      return { sites, vms, batches: [[...fixes()]], origin: { scenario: name } };
    }
    case 'generated': {
      const { sites, trace } = generate(subject.generator, seed, subject.sites);
      return { sites, batches: trace.batches(), origin: { trace: trace.report, vm: PERSONAL_VM } };
    }
    case 'trace': {
      const { sites, vms, path, options } = subject;
      const given = { sites, ...(vms && { vms }) };
      const declared = vms === undefined && { vm: PERSONAL_VM };
      if (shared !== undefined) {
        return { ...given, batches: sharedBatches(shared), origin: { trace: shared.report, ...declared } };
      }
      const trace = await openTrace(path, options);
      return { ...given, batches: trace.batches(), origin: { trace: trace.report, ...declared } };
    }
  }
}
