/**
 * Identifies the installation that a store and a bus belong to. Refuses a process of another installation that connects by
 * mistake: it would take over partitions and move VMs.
 *
 * The first process writes the installation record: an id, the configured name (if any), and the sites. A process belongs to
 * another installation if its configured name differs. Without a name, it does if it has sites and none of them is on record:
 * sites change one at a time, so a completely different list means another installation.
 */
import { randomUUID } from 'node:crypto';
import Type, { type Static } from 'typebox';
import type { Bus } from '#shared/bus/bus.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { closed, Name, orNull, recordKind } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';
import { updateRecord } from '#shared/store/update.ts';

const StoredInstallation = Type.Object(
  {
    /** Generated at the first start; it never changes. */
    id: Name,
    /** From the configuration; null: no configuration has set one yet. */
    name: orNull(Name),
    /** The sites in the configuration of the process that started last. */
    sites: Type.Array(Name),
  },
  closed,
);
type Installation = Static<typeof StoredInstallation>;

const KEY = 'installation';

/** The kind of that record. */
export const INSTALLATION_RECORD = recordKind({
  kind: 'installation',
  keys: KEY,
  owner: 'all',
  // Older programs had no such record.
  version: 0,
  schema: StoredInstallation,
  upgrade: {},
});

/**
 * Joins the installation that store and bus belong to, or creates it.
 * @returns its name, or its id if it has no name
 * @throws TagalongError INSTALLATION_OTHER where they belong to another one; STORE_RECORD_UNREADABLE
 */
export async function joinInstallation(config: Config, bus: Bus, store: Store): Promise<string> {
  const installation = (await updateRecord(store, INSTALLATION_RECORD, KEY, (present) => {
    const next = present === undefined ? begun(config) : continued(config, present);
    return next === undefined ? undefined : { value: next };
  }))!;
  const called = installation.name ?? installation.id;
  // A store in memory is empty after each start.
  if (config.store.url === 'memory:') return called;
  const owner = await bus.claim?.(installation.id);
  if (owner !== undefined && owner !== installation.id) {
    const what = `the store with prefix ${config.store.prefix} belongs to installation "${called}", and the bus with prefix ${config.bus.prefix} to another`;
    throw new TagalongError(
      'INSTALLATION_OTHER',
      `${what}; give each installation a bus.prefix and a store.prefix of its own`,
    );
  }
  return called;
}

function begun({ installation, sites }: Config): Installation {
  return { id: randomUUID(), name: installation ?? null, sites: sites.map(({ site }) => site) };
}

/** The record with the configuration of this process; undefined: no change. */
function continued(config: Config, present: Installation): Installation | undefined {
  const { installation, sites } = config;
  const mine = sites.map(({ site }) => site);
  const strange = mine.length > 0 && present.sites.length > 0 && !mine.some((site) => present.sites.includes(site));
  const known = installation !== undefined && [present.name, present.id].includes(installation);
  const renamed = installation !== undefined && present.name !== null && !known;
  if (renamed || (strange && !known)) throw another(config, present);
  const next = {
    id: present.id,
    name: present.name ?? installation ?? null,
    sites: mine.length === 0 ? present.sites : mine,
  };
  const same = next.name === present.name && next.sites.join() === present.sites.join();
  return same ? undefined : next;
}

/** The most sites that a message names. */
const MOST_NAMED = 5;

function another({ store, installation }: Config, { id, name, sites }: Installation): TagalongError {
  const named = sites.slice(0, MOST_NAMED).join(', ') + (sites.length > MOST_NAMED ? ', …' : '');
  const called = name ?? id;
  const owner = `the store with prefix ${store.prefix} belongs to installation "${called}" (sites: ${named || 'none'})`;
  const mine =
    installation === undefined ? 'this configuration has none of its sites' : `this one is "${installation}"`;
  const right = `set bus.prefix and store.prefix to new names, or installation to "${called}" if it is the same`;
  return new TagalongError('INSTALLATION_OTHER', `${owner}, and ${mine}; ${right}`);
}
