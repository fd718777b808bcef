/** Exports and erases everything that Tagalong keeps about one user. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '#shared/config/schema.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { Names } from '../ingest/names.ts';
import { createPlaces, type Person, type PlacesOptions } from './places.ts';
import { type Remains, remainsAfter } from './remains.ts';
import { createTurns } from './turns.ts';

/** Everything that is kept about a user, by place. */
export interface Export {
  /** The id in the request. */
  readonly user: string;
  /** The names under which bus and store know the user. */
  readonly names: readonly string[];
  /** The data of each place. */
  readonly places: Readonly<Record<string, readonly unknown[]>>;
  /** The places that could not be read, with the code of the error: repeat the request. */
  readonly failed: readonly { readonly place: string; readonly why: ErrorCode }[];
  /** The data that the export does not contain. */
  readonly notIncluded: readonly Remains[];
}

/** The outcome of an erasure at one place. */
export interface PlaceOutcome {
  readonly place: string;
  readonly removed: number;
  /** False: something is left there, or nobody can look. */
  readonly done: boolean;
  /** The code of the error that prevented it. */
  readonly why?: ErrorCode;
}

/** The outcome of an erasure. */
export interface Erasure {
  /** False: a place could not be cleared now; repeat the request. */
  readonly complete: boolean;
  /** How many things each place has removed. */
  readonly places: readonly PlaceOutcome[];
  /** The data that are left elsewhere, and when they expire. */
  readonly remains: readonly Remains[];
}

/** Exports and erases the data of users. */
export interface UserData {
  /**
   * @param id the operator's id of the user
   * @param device the name of the caller if it is no admin
   * @throws TagalongError QUOTA_EXCEEDED
   */
  export(id: string, device?: string): Promise<Export>;
  /** Erases a user. A repeat does no harm. @throws TagalongError QUOTA_EXCEEDED; of bus and store: repeat the request */
  erase(id: string): Promise<Erasure>;
}

/** The dependencies. */
export interface UserDataOptions extends PlacesOptions {
  readonly config: Config;
  readonly names: Pick<Names, 'pseudonymOf' | 'former'>;
  readonly log: Log;
}

/** An outcome under way. */
interface Outcome {
  removed: number;
  done: boolean;
  why?: ErrorCode | undefined;
}

/** The code of an error. @throws the error if it is none of ours */
function codeOf(error: unknown): ErrorCode {
  if (!(error instanceof TagalongError)) throw error;
  return error.code;
}

/** Notes an error. @returns 0: nothing was removed or found. @throws an error that is none of ours */
function failed(error: unknown, outcome: Outcome): 0 {
  outcome.why = codeOf(error);
  return 0;
}

/** How often everything is erased until nothing is found any more. */
const ROUNDS = 3;

/** Makes the service. It handles one request at a time, because each reads much of bus and store. Few wait. */
export function createUserData(options: UserDataOptions): UserData {
  const { config, names, settleMs, nowMs } = options;
  const log = serviceLog(options.log, 'ingest');
  const places = createPlaces(options);
  const personOf = (id: string): Person => ({ id, names: [names.pseudonymOf(id), ...names.former.ofUser(id)] });
  const inTurn = createTurns();
  /** Erases at each place once. A place that fails does not protect the others. */
  const eraseOnce = async (person: Person, outcomes: Map<string, Outcome>) => {
    let removedNow = 0;
    for (const place of places) {
      const outcome = outcomes.get(place.name)!;
      outcome.why = undefined;
      const removed = await place.erase(person).catch((error) => failed(error, outcome));
      outcome.removed += removed;
      removedNow += removed;
      // Other ingests still publish positions of a user whom they have in their cache.
      if (place.name === 'sessions' && removed > 0) await sleep(settleMs);
    }
    return removedNow;
  };
  /** Looks whether something is left. @returns true: nothing is */
  const verify = async (person: Person, outcomes: Map<string, Outcome>) => {
    for (const place of places) {
      const outcome = outcomes.get(place.name)!;
      const left = await place.find(person).then(
        ({ length }) => length,
        (error) => failed(error, outcome),
      );
      outcome.done = left === 0 && outcome.why === undefined;
    }
    return [...outcomes.values()].every(({ done }) => done);
  };
  const erase = async (id: string): Promise<Erasure> => {
    const person = personOf(id);
    const outcomes = new Map(places.map(({ name }): [string, Outcome] => [name, { removed: 0, done: false }]));
    let complete = false;
    // An event that was under way during the first round is there in the second one.
    for (let round = 0; round < ROUNDS && !complete; round++) {
      const removed = await eraseOnce(person, outcomes);
      complete = await verify(person, outcomes);
      if (removed === 0) break;
    }
    const all = [...outcomes].map(([place, { why, ...outcome }]) => ({ place, ...outcome, ...(why && { why }) }));
    log.info({ complete, places: all }, 'a user was erased');
    return { complete, places: all, remains: remainsAfter(config, id, nowMs()) };
  };
  return {
    export: (id, device) =>
      inTurn(device, async () => {
        const person = personOf(id);
        const found: Record<string, readonly unknown[]> = {};
        const failed: { place: string; why: ErrorCode }[] = [];
        // A place that fails does not withhold the others.
        for (const { name, find } of places) {
          try {
            found[name] = await find(person);
          } catch (error) {
            failed.push({ place: name, why: codeOf(error) });
          }
        }
        const notIncluded = remainsAfter(config, id, nowMs());
        return { user: id, names: person.names, places: found, failed, notIncluded };
      }),
    erase: (id) => inTurn(undefined, () => erase(id)),
  };
}
