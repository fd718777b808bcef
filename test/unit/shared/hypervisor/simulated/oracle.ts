import type { MoveModel } from '#shared/model/move-model.ts';

/** The model of SimGrid: a move is the copy of memory only, with at most 119 MiB/s for each VM. */
export const ORACLE: MoveModel = {
  efficiency: { single: 1, multi: 1 },
  hostRateBps: 119 * 1024 ** 2,
  prepareMs: { single: 0, multi: 0 },
  announceMs: 0,
  resumeMs: 0,
  releaseMs: 0,
  maxRounds: Number.POSITIVE_INFINITY,
  maxPauseMs: Number.POSITIVE_INFINITY,
  dirtying: 'capped',
};
