import Type, { type Static } from 'typebox';
import type { Clock } from '#shared/clock/clock.ts';
import { RecentMap } from '#shared/recent.ts';
import { Amount, closed, Name, recordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { getRecord, isUnreadable, listRecords } from '#shared/store/update.ts';
import { publishThenStore } from './publish-then-store.ts';

/** The sessions: which users are attached to which VMs. The store holds them; a cache serves frequent reads. */
export interface Attachments {
  /** The VMs of a user, from the cache; undefined: read them with `load`. */
  known(user: string): readonly string[] | undefined;
  /** Reads the VMs of a user from the store. Empty: the user is attached to no VM. */
  load(user: string): Promise<readonly string[]>;
  /** @param publish publishes the change, which builds on `revision`; not called where nothing changes */
  attach(user: string, vm: string, weight: number, publish: (revision: number) => Promise<void>): Promise<void>;
  detach(user: string, vm: string, publish: (revision: number) => Promise<void>): Promise<void>;
  /** Detaches all users from a retired VM. Publishes nothing: `vm.retired` implies it. */
  detachAll(vm: string): Promise<void>;
  /** The number of users of each VM, counted from the store. */
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

/** The age at which a cache entry expires: only then does this process see a session that another one attached. */
const CACHE_MS = 10_000;
/** The least number of users in the cache. */
const MIN_CACHED = 50_000;

/** Users are keyed by their pseudonyms. */
export function createAttachments(store: Store, clock: Clock, setAside: SetAside): Attachments {
  const kept = new RecentMap<{ readonly vms: readonly string[]; readonly untilMs: number }>(MIN_CACHED);
  let changes = 0;

  /** Invalidates the cache entry of a user. A read that began before the change must not fill it again. */
  const forget = (user: string) => {
    changes++;
    kept.delete(user);
  };
  /** A user whose record cannot be read counts as attached to no VM, so that the positions of others need not wait. */
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
    publish: (revision: number) => Promise<void>,
  ) => {
    const next = (present: Attached | undefined) => {
      const sessions = edit(present?.sessions ?? []);
      if (sessions === undefined) return undefined;
      // A user without sessions has no record: the record is personal data.
      return { value: sessions.length === 0 ? undefined : { sessions } };
    };
    try {
      await publishThenStore({ store, setAside }, SESSIONS_RECORD, PREFIX + user, next, publish);
    } finally {
      forget(user);
    }
  };
  const detach: Attachments['detach'] = (user, vm, publish) =>
    change(
      user,
      (sessions) =>
        sessions.some((session) => session.vm === vm) ? sessions.filter((session) => session.vm !== vm) : undefined,
      publish,
    );

  return {
    known(user) {
      const entry = kept.get(user);
      return entry !== undefined && clock.now() < entry.untilMs ? entry.vms : undefined;
    },
    async load(user) {
      const changesBefore = changes;
      const vms = (await attached(user))?.sessions.map(({ vm }) => vm) ?? [];
      if (changes === changesBefore) kept.set(user, { vms, untilMs: clock.now() + CACHE_MS });
      return vms;
    },
    attach: (user, vm, weight, publish) =>
      change(
        user,
        (sessions) => {
          if (sessions.some((session) => session.vm === vm && session.weight === weight)) return undefined;
          return [...sessions.filter((session) => session.vm !== vm), { vm, weight }];
        },
        publish,
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
