import Type, { type Static } from 'typebox';
import type { Clock } from '#shared/clock/clock.ts';
import { RecentMap } from '#shared/recent.ts';
import { Amount, closed, Name, recordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { eraseRecords, getRecord, isUnreadable, listRecords } from '#shared/store/update.ts';
import { publishThenStore } from './publish-then-store.ts';

/** The sessions: which users are attached to which VMs. The store holds them; a cache serves frequent reads. */
export interface Attachments {
  /** Reads the sessions of a user from the store, past the cache. */
  sessions(user: string): Promise<readonly Session[]>;
  /** Reads the VMs of a user from the store. Empty: the user is attached to no VM. */
  load(user: string): Promise<readonly string[]>;
  /** The VMs of each user: from the cache, else from the store. */
  loadAll(users: Iterable<string>): Promise<ReadonlyMap<string, readonly string[]>>;
  /** @param publish publishes the change, which builds on `revision`; not called where nothing changes */
  attach(user: string, vm: string, weight: number, publish: (revision: number) => Promise<void>): Promise<void>;
  detach(user: string, vm: string, publish: (revision: number) => Promise<void>): Promise<void>;
  /** Detaches a user from all VMs, and deletes the record for ever. @returns the number of sessions that have ended */
  erase(user: string, publish: (vm: string, revision: number) => Promise<void>): Promise<number>;
  /** Detaches all users from a retired VM. Publishes nothing: `vm.retired` implies it. */
  detachAll(vm: string): Promise<void>;
  /** The number of users of each VM, counted from the store. */
  usersByVm(): Promise<Map<string, number>>;
}

const PREFIX = 'ingest/user/';

const StoredSession = Type.Object({ vm: Name, weight: Amount }, closed);
const Attached = Type.Object({ sessions: Type.Array(StoredSession) }, closed);
type Attached = Static<typeof Attached>;
/** The attachment of a user to a VM. */
export type Session = Readonly<Static<typeof StoredSession>>;

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
export const CACHE_MS = 10_000;
/** The least number of users in the cache. */
const MIN_CACHED = 50_000;

/**
 * Users are keyed by their pseudonyms.
 * @param beforeLoad is called before the VMs of a user are read
 */
export function createAttachments(
  store: Store,
  clock: Clock,
  setAside: SetAside,
  beforeLoad: (user: string) => Promise<void> = async () => {},
): Attachments {
  return new CachedAttachments(store, clock, setAside, beforeLoad);
}

class CachedAttachments implements Attachments {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #setAside: SetAside;
  readonly #beforeLoad: (user: string) => Promise<void>;
  readonly #cache = new RecentMap<{ readonly vms: readonly string[]; readonly untilMs: number }>(MIN_CACHED);
  /** Counts the changes: a read that began before a change must not fill the cache again. */
  #changes = 0;

  constructor(store: Store, clock: Clock, setAside: SetAside, beforeLoad: (user: string) => Promise<void>) {
    this.#beforeLoad = beforeLoad;
    this.#store = store;
    this.#clock = clock;
    this.#setAside = setAside;
  }

  async sessions(user: string): Promise<readonly Session[]> {
    return (await this.#read(user))?.sessions ?? [];
  }

  async load(user: string): Promise<readonly string[]> {
    await this.#beforeLoad(user);
    const changesBefore = this.#changes;
    const vms = (await this.#read(user))?.sessions.map(({ vm }) => vm) ?? [];
    if (this.#changes === changesBefore) this.#cache.set(user, { vms, untilMs: this.#clock.now() + CACHE_MS });
    return vms;
  }

  async loadAll(users: Iterable<string>): Promise<ReadonlyMap<string, readonly string[]>> {
    const vmsOf = new Map<string, readonly string[]>();
    const unknown = new Set<string>();
    for (const user of users) {
      const entry = this.#cache.get(user);
      if (entry !== undefined && this.#clock.now() < entry.untilMs) vmsOf.set(user, entry.vms);
      else unknown.add(user);
    }
    await Promise.all([...unknown].map(async (user) => vmsOf.set(user, await this.load(user))));
    return vmsOf;
  }

  attach(user: string, vm: string, weight: number, publish: (revision: number) => Promise<void>): Promise<void> {
    const edit = (sessions: Attached['sessions']) => {
      if (sessions.some((session) => session.vm === vm && session.weight === weight)) return undefined;
      return [...sessions.filter((session) => session.vm !== vm), { vm, weight }];
    };
    return this.#change(user, edit, publish);
  }

  detach(user: string, vm: string, publish: (revision: number) => Promise<void>): Promise<void> {
    const edit = (sessions: Attached['sessions']) =>
      sessions.some((session) => session.vm === vm) ? sessions.filter((session) => session.vm !== vm) : undefined;
    return this.#change(user, edit, publish);
  }

  async erase(user: string, publish: (vm: string, revision: number) => Promise<void>): Promise<number> {
    const stored = await getRecord(this.#store, SESSIONS_RECORD, PREFIX + user);
    if (stored === undefined) return 0;
    const { sessions } = stored.value;
    try {
      // The caller repeats the request if the process dies before the record is deleted.
      for (const { vm } of sessions) await publish(vm, stored.revision);
      await eraseRecords(this.#store, [stored]);
    } finally {
      this.#forget(user);
    }
    return sessions.length;
  }

  async detachAll(vm: string): Promise<void> {
    for (const { key, value } of await listRecords(this.#store, SESSIONS_RECORD, PREFIX, this.#setAside)) {
      if (value.sessions.some((session) => session.vm === vm)) {
        await this.detach(key.slice(PREFIX.length), vm, async () => {});
      }
    }
  }

  async usersByVm(): Promise<Map<string, number>> {
    const byVm = new Map<string, number>();
    for (const { value } of await listRecords(this.#store, SESSIONS_RECORD, PREFIX, this.#setAside)) {
      for (const { vm } of value.sessions) byVm.set(vm, (byVm.get(vm) ?? 0) + 1);
    }
    return byVm;
  }

  /** A user whose record cannot be read counts as attached to no VM, so that the positions of others need not wait. */
  async #read(user: string): Promise<Attached | undefined> {
    try {
      return (await getRecord(this.#store, SESSIONS_RECORD, PREFIX + user))?.value;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#setAside.add(SESSIONS_RECORD, PREFIX + user, error);
      return undefined;
    }
  }

  async #change(
    user: string,
    edit: (sessions: Attached['sessions']) => Attached['sessions'] | undefined,
    publish: (revision: number) => Promise<void>,
  ): Promise<void> {
    const next = (present: Attached | undefined) => {
      const sessions = edit(present?.sessions ?? []);
      if (sessions === undefined) return undefined;
      // A user without sessions has no record: the record is personal data.
      return { value: sessions.length === 0 ? undefined : { sessions } };
    };
    const places = { store: this.#store, setAside: this.#setAside };
    try {
      await publishThenStore(places, SESSIONS_RECORD, PREFIX + user, next, publish);
    } finally {
      this.#forget(user);
    }
  }

  #forget(user: string): void {
    this.#changes++;
    this.#cache.delete(user);
  }
}
