/** The stored records that say whether a site drains and where a VM runs. The declared sites are in `records.ts`. */
import Type, { type Static } from 'typebox';
import { closed, Name, recordKind, Text } from '#shared/store/records.ts';

/** The kind of the record that says whether an operator drains a site. */
export const DRAIN_RECORD = recordKind({
  kind: 'site',
  keys: 'agent/site/<site>',
  owner: 'migrator',
  version: 2,
  schema: Type.Object({ draining: Type.Boolean(), by: Type.Optional(Text) }, closed),
  // Version 1 does not say who ordered it.
  upgrade: { 0: (old) => old, 1: (old) => old },
});

/** The key of the record that says whether a site drains. */
export const drainKey = (site: string) => `agent/site/${site}`;

const StoredPlace = Type.Object({ site: Name }, closed);
/** The site where a simulated VM runs, or to which a real VM was handed. */
export type StoredPlace = Static<typeof StoredPlace>;

/** The kind of these records. */
export const PLACE_RECORD = recordKind({
  kind: 'place',
  keys: 'simulated/vm/<VM>, agent/vm/<VM>',
  owner: 'migrator',
  version: 1,
  schema: StoredPlace,
  upgrade: { 0: (old) => old },
});

/** The key of a real VM's record. */
export const handedKey = (vm: string) => `agent/vm/${vm}`;
/** The key of a simulated VM's record. */
export const placeKey = (vm: string) => `simulated/vm/${vm}`;
