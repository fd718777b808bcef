import Type, { type Static } from 'typebox';
import type { Clock } from '#shared/clock/clock.ts';
import { RecentMap } from '#shared/recent.ts';
import { Amount, closed, Name, recordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { getRecord, isUnreadable, listRecords } from '#shared/store/update.ts';
import { publishThenStore } from './publish-then-store.ts';

/** Which users are attached to which VMs, kept in the store, with what is asked for often at hand. */
export interface Attachments {
  /** The VMs of a user; undefined where the store has to be asked. */
  known(user: string): readonly string[] | undefined;
  /** Asks the store. Empty where the user is attached to nothing. */
  load(user: string): Promise<readonly string[]>;
  /** @param say publishes the change; is given the revision it builds on; not called where nothing changes */
  attach(user: string, vm: string, weight: number, say: (revision: number) => Promise<void>): Promise<void>;
  detach(user: string, vm: string, say: (revision: number) => Promise<void>): Promise<void>;
  /** Detaches everybody from a VM that is retired, without a word: `vm.retired` says it. */
  detachAll(vm: string): Promise<void>;
  /** How many users each VM has, counted from the store. */
  usersByVm(): Promise<Map<string, number>>;
}

const PREFIX = 'ingest/user/';

const Attached = Type.Object({ sessions: Type.Array(Type.Object({ vm: Name, weight: Amount }, closed)) }, closed);
type Attached = Static<typeof Attached>;

/** The kind of these records: the sessions of one user. */
export const SESSIONS_RECORD = recordKind({
  kind: 'sessions',
  keys: `${PREFIX}<pseudonym>`,
  owner: 'ingest',
  version: 1,
  schema: Attached,
  personal: true,
  upgrade: { 0: (old) => old },
});

/** How soon a session that was attached through another process counts here. */
const KEPT_MS = 10_000;
/** How many users' VMs are remembered at least. */
const MIN_KEPT = 50_000;

/** Users are keyed by their pseudonyms. */
export function createAttachments(store: Store, clock: Clock, setAside: SetAside): Attachments {
  const kept = new RecentMap<{ readonly vms: readonly string[]; readonly untilMs: number }>(MIN_KEPT);
  let changes = 0;

  /** What was read before a change must not be remembered after it. */
  const forget = (user: string) => {
    changes++;
    kept.delete(user);
  };
  /** A user whose record cannot be read is attached to nothing: the positions of others must not wait for it. */
  const attached = async (user: string): Promise<Attached | undefined> => {
    try {
      return (await getRecord(store, SESSIONS_RECORD, PREFIX + user))?.value;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      setAside.add(SESSIONS_RECORD, PREFIX + user, error);
      return undefined;
    }
  };
  const change = async (
    user: string,
    edit: (sessions: Attached['sessions']) => Attached['sessions'] | undefined,
    say: (revision: number) => Promise<void>,
  ) => {
    const next = (present: Attached | undefined) => {
      const sessions = edit(present?.sessions ?? []);
      if (sessions === undefined) return undefined;
      // Who is attached to nothing is not kept: it is a person's record.
      return { value: sessions.length === 0 ? undefined : { sessions } };
    };
    try {
      await publishThenStore({ store, setAside }, SESSIONS_RECORD, PREFIX + user, next, say);
    } finally {
      forget(user);
    }
  };
  const detach: Attachments['detach'] = (user, vm, say) =>
    change(
      user,
      (sessions) =>
        sessions.some((session) => session.vm === vm) ? sessions.filter((session) => session.vm !== vm) : undefined,
      say,
    );

  return {
    known(user) {
      const entry = kept.get(user);
      return entry !== undefined && clock.now() < entry.untilMs ? entry.vms : undefined;
    },
    async load(user) {
      const changesBefore = changes;
      const vms = (await attached(user))?.sessions.map(({ vm }) => vm) ?? [];
      if (changes === changesBefore) kept.set(user, { vms, untilMs: clock.now() + KEPT_MS });
      return vms;
    },
    attach: (user, vm, weight, say) =>
      change(
        user,
        (sessions) => {
          if (sessions.some((session) => session.vm === vm && session.weight === weight)) return undefined;
          return [...sessions.filter((session) => session.vm !== vm), { vm, weight }];
        },
        say,
      ),
    detach,
    async usersByVm() {
      const byVm = new Map<string, number>();
      for (const { value } of await listRecords(store, SESSIONS_RECORD, PREFIX, setAside)) {
        for (const { vm } of value.sessions) byVm.set(vm, (byVm.get(vm) ?? 0) + 1);
      }
      return byVm;
    },
    async detachAll(vm) {
      for (const { key, value } of await listRecords(store, SESSIONS_RECORD, PREFIX, setAside)) {
        if (value.sessions.some((session) => session.vm === vm)) {
          await detach(key.slice(PREFIX.length), vm, async () => {});
        }
      }
    },
  };
}
