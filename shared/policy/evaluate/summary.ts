import { MAX_CANDIDATES } from '../../events/bounds.ts';
import type { Candidate } from '../../events/index.ts';

/** An evaluation for people: `home` is what serving from the home costs (user-ms a second), `list` the candidates. */
export interface EvaluationSummary {
  readonly home: number;
  readonly sessions: number;
  readonly oldestFixAgeMs: number;
  readonly expectedStayMs: number;
  readonly list: Candidate[];
}

/** The candidates in order, the home among them however many there are. @param list the home comes first */
export function topCandidates([home, ...others]: Candidate[]): Candidate[] {
  const byServing = (a: Candidate, b: Candidate) => a.servingUserMsPerS - b.servingUserMsPerS;
  return [home!, ...others.sort(byServing).slice(0, MAX_CANDIDATES - 1)].sort(byServing);
}
