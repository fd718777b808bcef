/** The guards of a migration's machine, by the names that its states use. */
import type { Phase } from '../events/index.ts';
import { PHASES } from '../events/index.ts';
import type { Args, EventOf } from './context.ts';

/** The attempts of a release or an inspection before the migrator gives up. */
const MAX_RETRIES = 5;

interface OfStep<Step> {
  readonly step: Step;
}

const inspected = ({ event }: Args) => event as EventOf<'inspected'>;
const hasFailed = ({ event }: Args, step: Phase | 'abort') => event.type === 'stepFailed' && event.step === step;
const retriesExhausted = ({ context }: Args) => context.retries >= MAX_RETRIES;
const runsAtDestination = (args: Args) => inspected(args).runsAt === args.context.to;
const runsNowhere = (args: Args) => inspected(args).runsAt === undefined;
/** The step that an inspection found under way; else the first one that is not done. */
const nextStep = (args: Args): Phase =>
  inspected(args).underWay ?? PHASES.find((step) => !inspected(args).done.includes(step)) ?? 'release';

/** Pure: each gets the context before the transition, the event, and its own parameters. */
export const guards = {
  isDone: ({ event }: Args, { step }: OfStep<Phase>) => event.type === 'done' && event.step === step,
  hasFailed: (args: Args, { step }: OfStep<Phase | 'abort'>) => hasFailed(args, step),
  retriesExhausted,

  /** The VM has died at its destination, so another attempt is useless. */
  vmHasDied: (args: Args) =>
    hasFailed(args, 'release') && (args.event as EventOf<'stepFailed'>).code === 'VM_NOT_RUNNING',
  isCancelled: ({ context: { undo } }: Args) => undo !== null && 'by' in undo,
  isBeforeSwitchOver: ({ context: { phase } }: Args) => phase !== 'switch' && phase !== 'release',

  /** The next guards are about the answer to an inspection. */
  hasArrived: (args: Args) => runsAtDestination(args) && !args.context.switched,
  runsAtDestination,
  goesOnlyForward: (args: Args) => inspected(args).onlyForward === true,
  /** The VM has died at its destination. The release goes on, and its failure tells operators what to do. */
  diedDuringRelease: (args: Args) => runsNowhere(args) && inspected(args).underWay === 'release',
  isStuck: (args: Args) => retriesExhausted(args) && args.context.undo === null,
  isStuckAndRunsNowhere: (args: Args) => retriesExhausted(args) && runsNowhere(args),
  isBeingUndone: ({ context }: Args) => context.undo !== null,
  isNext: (args: Args, { step }: OfStep<Phase>) =>
    (inspected(args).runsAt === args.context.from || inspected(args).underWay === 'switch') && nextStep(args) === step,
};
