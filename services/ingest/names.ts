/** The names under which bus and store know users. */
import type { IngestConfig } from '#shared/config/schema.ts';
import type { Tokens } from '../runtime/tokens.ts';
import { createFormerPseudonyms, createPseudonyms, type FormerPseudonyms } from './pseudonym.ts';

/** The names of users, shared by the services of a process. */
export interface Names {
  /** The pseudonym of a user; without a key the id itself. */
  readonly pseudonymOf: (user: string) => string;
  /** The pseudonyms under former keys. */
  readonly former: FormerPseudonyms;
  /** Moves the device tokens of a user from a former pseudonym to the present one. */
  readonly moveTokens: (from: string, to: string) => Promise<void>;
}

/** Makes the names. @param tokens the issued tokens; without them no token moves */
export function createNames(
  config: Pick<IngestConfig, 'pseudonymKey' | 'formerPseudonymKeys'>,
  tokens?: Pick<Tokens, 'move'>,
): Names {
  const pseudonymOf = createPseudonyms(config.pseudonymKey);
  const former = createFormerPseudonyms(config, pseudonymOf);
  return { pseudonymOf, former, moveTokens: async (from, to) => tokens?.move(from, to) };
}
