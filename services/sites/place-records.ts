/** What is stored of the sites, and of simulated VMs. */
import Type, { type Static } from 'typebox';
import { closed, Name, recordKind } from '#shared/store/records.ts';

/** The kind of what an operator said of a site. */
export const SITE_RECORD = recordKind({
  kind: 'site',
  keys: 'agent/site/<site>',
  owner: 'migrator',
  version: 1,
  schema: Type.Object({ draining: Type.Boolean() }, closed),
  upgrade: { 0: (old) => old },
});

/** Where the record of a site lies. */
export const siteKey = (site: string) => `agent/site/${site}`;

const KeptPlace = Type.Object({ site: Name }, closed);
/** Where a simulated VM runs, or to which site a real one was handed. */
export type KeptPlace = Static<typeof KeptPlace>;

/** The kind of these records. */
export const PLACE_RECORD = recordKind({
  kind: 'place',
  keys: 'simulated/vm/<VM>, agent/vm/<VM>',
  owner: 'migrator',
  version: 1,
  schema: KeptPlace,
  upgrade: { 0: (old) => old },
});

/** Where the record of a real VM lies. */
export const handedKey = (vm: string) => `agent/vm/${vm}`;
/** Where the record of a simulated VM lies. */
export const placeKey = (vm: string) => `simulated/vm/${vm}`;
