/** The places where data of users are kept: how each finds and erases them. */
import type { Bus } from '#shared/bus/bus.ts';
import { isLetterAbout } from '#shared/bus/personal.ts';
import { type KeptVm, VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import { type RecordKind, valueBesideOutbox } from '#shared/store/records.ts';
import type { Store, Stored } from '#shared/store/store.ts';
import { eraseRecords, isUnreadable, listRecords } from '#shared/store/update.ts';
import { DEAD_LETTER_RECORD, DEAD_LETTERS, type Letter } from '../dead-letters/records.ts';
import type { UserMessages } from '../ingest/apis/mqtt-messages.ts';
import type { Ingest } from '../ingest/service.ts';
import { VM_PREFIX } from '../placement/keys.ts';
import { TOKEN_RECORD, TOKENS, type Tokens } from '../runtime/tokens.ts';
import { forgetInVms } from './vm-records.ts';

/** A person: the id that the operator uses, and the names under which bus and store know the person. */
export interface Person {
  readonly id: string;
  /** The present pseudonym first, then those of former keys. Without a key, the id itself. */
  readonly names: readonly string[];
}

/** One place where data of users are kept. */
export interface Place {
  /** Its name in exports and answers. */
  readonly name: string;
  /** Everything that it keeps about a person. @throws TagalongError of bus and store */
  find(person: Person): Promise<readonly unknown[]>;
  /** Removes that, as far as it can. @returns the number of removed things. @throws TagalongError of bus and store */
  erase(person: Person): Promise<number>;
}

/** The dependencies of the places. */
export interface PlacesOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly ingest: Pick<Ingest, 'sessions' | 'eraseSessions'>;
  readonly tokens: Pick<Tokens, 'list' | 'erase'>;
  /** The messages of OwnTracks over MQTT. */
  readonly messages: UserMessages | undefined;
  /** The time of the clock, in ms since the epoch. */
  readonly nowMs: () => number;
  /** How long another process may still publish positions of a user whose sessions have ended, in ms. */
  readonly settleMs: number;
}

/** The most events of an export; older ones are left out. */
const MOST_EVENTS = 50_000;

/** The places in the order in which they have to be erased: first what new data could come from. */
export function createPlaces(options: PlacesOptions): readonly Place[] {
  const { bus, store, ingest, tokens, messages } = options;
  const { userEvents } = bus;
  const each = async <T>({ names }: Person, work: (name: string) => Promise<readonly T[]>) =>
    (await Promise.all(names.map(work))).flat();
  const letters = async ({ names }: Person): Promise<Stored<Letter>[]> =>
    (await listRecords(store, DEAD_LETTER_RECORD, DEAD_LETTERS)).filter(({ value: { original } }) =>
      names.some((name) => isLetterAbout(original, name)),
    );
  return [
    {
      name: 'tokens',
      async find({ names }) {
        await refuseUnreadable(store, TOKEN_RECORD, TOKENS, names);
        const theirs = (await tokens.list()).filter(({ user }) => user !== null && names.includes(user));
        // The name of the admin who issued a token is no data of its user.
        return theirs.map(({ by: _, ...token }) => token);
      },
      erase: ({ names }) => tokens.erase(names),
    },
    ...(messages === undefined ? [] : [messagesPlace(messages)]),
    {
      name: 'sessions',
      find: (person) => each(person, (name) => ingest.sessions(name)),
      async erase({ names }) {
        let removed = 0;
        for (const name of names) removed += await ingest.eraseSessions(name);
        return removed;
      },
    },
    {
      name: 'vms',
      async find({ names }) {
        const vms = await vmsOf(store, names);
        return vms.map(({ value }) => ({
          vm: value.id,
          sessions: value.sessions.filter(({ user }) => names.includes(user)),
          detachedAtMs: names.flatMap((name) => value.detachedAtMs[name] ?? []),
        }));
      },
      erase: ({ names }) => forgetInVms(options, names, (keys) => vmsOf(store, names, keys)),
    },
    ...(userEvents === undefined
      ? []
      : [
          {
            name: 'events',
            find: ({ names }: Person) => userEvents.find(names, MOST_EVENTS),
            erase: ({ names }: Person) => userEvents.erase(names),
          },
        ]),
    {
      name: 'dead-letters',
      async find(person) {
        await refuseUnreadable(store, DEAD_LETTER_RECORD, DEAD_LETTERS, person.names);
        return (await letters(person)).map(({ value }) => value);
      },
      async erase(person) {
        const found = await letters(person);
        await eraseRecords(store, found);
        // The keys of sessions and letters name users, also those of records that were deleted before.
        for (const name of person.names) await store.eraseMarkers?.(name);
        return found.length;
      },
    },
  ];
}

function messagesPlace(messages: UserMessages): Place {
  return {
    name: 'mqtt',
    find: ({ id }) => messages.find(id),
    erase: ({ id }) => messages.erase(id),
  };
}

/**
 * The records of the VMs that name one of these users.
 * @param keys the records to read. @default all
 * @throws TagalongError STORE_RECORD_UNREADABLE if a record that cannot be read contains one of the names
 */
async function vmsOf(store: Store, names: readonly string[], keys?: readonly string[]): Promise<Stored<KeptVm>[]> {
  const all =
    keys === undefined
      ? await store.list(VM_PREFIX)
      : (await Promise.all(keys.map((key) => store.get(key)))).filter((stored) => stored !== undefined);
  return all.flatMap((stored) => {
    try {
      const value = valueBesideOutbox(VM_RECORD, stored.value);
      const isNamed = ({ sessions, detachedAtMs }: KeptVm) =>
        names.some((name) => Object.hasOwn(detachedAtMs, name) || sessions.some(({ user }) => user === name));
      return isNamed(value) ? [{ ...stored, value }] : [];
    } catch (error) {
      if (!isUnreadable(error) || isIn(stored.value, names)) throw error;
      return [];
    }
  });
}

/** @throws TagalongError STORE_RECORD_UNREADABLE if a record that cannot be read contains one of the names */
async function refuseUnreadable(
  store: Store,
  kind: Pick<RecordKind, 'read'>,
  prefix: string,
  names: readonly string[],
): Promise<void> {
  for (const { value } of await store.list(prefix)) {
    try {
      kind.read(value);
    } catch (error) {
      if (!isUnreadable(error) || isIn(value, names)) throw error;
    }
  }
}

/** True if a record of unknown shape contains one of these names: as a text or a key, in JSON within a text, or in an event's id. */
function isIn(value: unknown, names: readonly string[]): boolean {
  const text = JSON.stringify(value) ?? '';
  return names.some((name) => {
    const quoted = JSON.stringify(name);
    const inText = JSON.stringify(quoted).slice(1, -1);
    return [quoted, inText, `:${quoted.slice(1, -1)}:`].some((form) => text.includes(form));
  });
}
