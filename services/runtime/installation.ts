/**
 * Which installation a store and a bus belong to. A process of another installation that reaches them by accident is refused;
 * else it would share the partitions and move the VMs.
 *
 * The first process that starts writes the installation down, with an id, the name that its configuration gives (if any), and
 * its sites. A process is of another one where it gives another name; where it gives none, if it has sites and not one of them
 * is the installation's. Sites come and go one after the other; that all are others at once is another installation.
 */
import { randomUUID } from 'node:crypto';
import Type, { type Static } from 'typebox';
import type { Bus } from '#shared/bus/bus.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { closed, Name, orNull, recordKind } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';
import { updateRecord } from '#shared/store/update.ts';

const KeptInstallation = Type.Object(
  {
    /** Made at the first start; it never changes. */
    id: Name,
    /** As a configuration gives it; null where none has given one yet. */
    name: orNull(Name),
    /** The sites of the configuration that was started last. */
    sites: Type.Array(Name),
  },
  closed,
);
type Installation = Static<typeof KeptInstallation>;

const KEY = 'installation';

/** The kind of that record. */
export const INSTALLATION_RECORD = recordKind({
  kind: 'installation',
  keys: KEY,
  owner: 'all',
  // Older programs had no such record.
  version: 0,
  schema: KeptInstallation,
  upgrade: {},
});

/**
 * Takes part in the installation that store and bus belong to, or begins it.
 * @returns its name; its id where it has none
 * @throws TagalongError INSTALLATION_OTHER where they belong to another one; STORE_RECORD_UNREADABLE
 */
export async function joinInstallation(config: Config, bus: Bus, store: Store): Promise<string> {
  const installation = (await updateRecord(store, INSTALLATION_RECORD, KEY, (present) => {
    const next = present === undefined ? begun(config) : continued(config, present);
    return next === undefined ? undefined : { value: next };
  }))!;
  const called = installation.name ?? installation.id;
  // A store in memory is another one after each start.
  if (config.store.url === 'memory:') return called;
  const owner = await bus.claim?.(installation.id);
  if (owner !== undefined && owner !== installation.id) {
    const what = `the store with prefix ${config.store.prefix} is of installation "${called}", the bus with prefix ${config.bus.prefix} of another`;
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

/** The record as this process has it; undefined where that is nothing new. */
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

/** How many sites a message names. */
const MOST_NAMED = 5;

function another({ store, installation }: Config, { id, name, sites }: Installation): TagalongError {
  const named = sites.slice(0, MOST_NAMED).join(', ') + (sites.length > MOST_NAMED ? ', …' : '');
  const called = name ?? id;
  const owner = `the store with prefix ${store.prefix} belongs to installation "${called}" (sites: ${named || 'none'})`;
  const mine =
    installation === undefined ? 'this configuration has none of its sites' : `this one is "${installation}"`;
  const right = `give bus.prefix and store.prefix of its own, or installation: "${called}" if it is the same`;
  return new TagalongError('INSTALLATION_OTHER', `${owner}, and ${mine}; ${right}`);
}
