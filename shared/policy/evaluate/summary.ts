import { MAX_CANDIDATES } from '../../events/bounds.ts';
import type { Absence, Candidate } from '../../events/index.ts';

/** An evaluation for an explanation: `home` is the cost of serving from the home (user-ms a second), `list` the candidates. */
export interface EvaluationSummary {
  readonly home: number;
  readonly sessions: number;
  readonly oldestFixAgeMs: number;
  readonly expectedStayMs: number;
  readonly absence?: Absence | undefined;
  readonly list: Candidate[];
}

/** The best candidates in order. The home is always among them. @param list all candidates, the home first */
export function topCandidates<T extends Pick<Candidate, 'servingUserMsPerS'>>([home, ...others]: T[]): T[] {
  const byServing = (a: T, b: T) => a.servingUserMsPerS - b.servingUserMsPerS;
  return [home!, ...others.sort(byServing).slice(0, MAX_CANDIDATES - 1)].sort(byServing);
}
