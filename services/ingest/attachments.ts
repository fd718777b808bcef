import type { Clock } from '#shared/clock/clock.ts';
import type { Store } from '#shared/store/store.ts';
import { sayAndRecord } from './record.ts';

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
}

interface Attached {
  readonly sessions: readonly { readonly vm: string; readonly weight: number }[];
}

const PREFIX = 'ingest/user/';
/** How soon a session that was attached through another process counts here. */
const KEPT_MS = 10_000;
const MAX_KEPT = 100_000;

/** Users are keyed by their pseudonyms. */
export function createAttachments(store: Store, clock: Clock): Attachments {
  const kept = new Map<string, { readonly vms: readonly string[]; readonly untilMs: number }>();
  let changes = 0;

  /** What was read before a change must not be remembered after it. */
  const forget = (user: string) => {
    changes++;
    kept.delete(user);
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
      await sayAndRecord<Attached>(store, PREFIX + user, next, say);
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
      const record = await store.get<Attached>(PREFIX + user);
      const vms = record?.value.sessions.map(({ vm }) => vm) ?? [];
      if (changes === changesBefore) {
        if (kept.size >= MAX_KEPT) kept.clear();
        kept.set(user, { vms, untilMs: clock.now() + KEPT_MS });
      }
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
    async detachAll(vm) {
      for (const { key, value } of await store.list<Attached>(PREFIX)) {
        if (value.sessions.some((session) => session.vm === vm)) {
          await detach(key.slice(PREFIX.length), vm, async () => {});
        }
      }
    },
  };
}
