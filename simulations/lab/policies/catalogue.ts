/** All policies that are compared, in the order in which tables list them. */
import type { LabPolicy } from '../policy.ts';
import { nearest, never } from './baselines.ts';
import { learnedMdp, pretrainedMdp } from './learned/learned-mdp.ts';
import { mdp, mdpOnline } from './mdp.ts';
import { hysteresis, lyapunov, myopic, skiRental, workFunction } from './published.ts';
import { lookAhead } from './yardsticks.ts';

/** Our own policy, a candidate for the default. */
export const OWN = learnedMdp('free');

export const POLICIES: readonly LabPolicy[] = [
  never,
  nearest,
  myopic,
  mdp,
  mdpOnline,
  ...[1, 2, 3, 4, 5].map(hysteresis),
  ...[0.5, 1, 2].map(skiRental),
  lyapunov(1, 0.1),
  workFunction,
  OWN,
  learnedMdp('nearest'),
  pretrainedMdp,
  ...[5, 15, 60].map(lookAhead),
];
