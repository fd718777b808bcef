/** The schemas of a VM's declaration. `types.ts` lists all event types. */
import Type, { type Static } from 'typebox';
import {
  AtMs,
  DiskBytes,
  DowntimeLimitMs,
  Name,
  PreferenceUserMsPerS,
  RamBytes,
  RateBps,
  RttMs,
  SiteNames,
  WorkingSetBytes,
} from './bounds.ts';

const closed = { additionalProperties: false } as const;

/** The figures of a VM that the prediction of a move needs. */
export const VmSpec = Type.Object(
  {
    ramBytes: RamBytes,
    /** The rate at which the guest dirties memory at the start of a pre-copy round, before it writes pages again. */
    dirtyRateBps: RateBps,
    /** Writable working set: the most bytes that the guest dirties, however long a pre-copy round takes. */
    workingSetBytes: WorkingSetBytes,
    /** The bytes of the disk to copy; 0 if the sites share storage. */
    diskBytes: DiskBytes,
    /** The switch-over begins when the rest can be copied within this time. */
    downtimeLimitMs: DowntimeLimitMs,
    /** The users of the VM notice no difference below this round-trip time. */
    targetRttMs: RttMs,
  },
  closed,
);

/** Restrictions and preferences of a VM's sites, and its relations to other VMs: `shared/policy/AFFINITY.md`. */
export const Affinity = Type.Object(
  {
    /** The only sites where the VM may run, whoever moves it. Absent: all. */
    allowed: Type.Optional(SiteNames),
    /** Each second at any other site costs `preferenceUserMsPerS` more. */
    preferred: Type.Optional(SiteNames),
    /** Each second at one of these costs `preferenceUserMsPerS` more. */
    avoided: Type.Optional(SiteNames),
    preferenceUserMsPerS: PreferenceUserMsPerS,
    /** The name of a set of VMs of which no two run at one site. */
    apart: Type.Optional(Name),
    /** The VM goes where the lead of its group goes; the lead names itself. */
    group: Type.Optional(
      Type.Object(
        {
          lead: Name,
          /** The price of a second at another site than the lead. */
          apartUserMsPerS: PreferenceUserMsPerS,
        },
        closed,
      ),
    ),
  },
  closed,
);

/** Tagalong manages the VM from now on. The VM runs at `home`. */
export const VmDeclared = Type.Object(
  { vm: Name, atMs: AtMs, home: Name, spec: VmSpec, affinity: Type.Optional(Affinity) },
  closed,
);

/** Tagalong no longer manages the VM. */
export const VmRetired = Type.Object({ vm: Name, atMs: AtMs }, closed);

export type VmSpec = Static<typeof VmSpec>;
export type Affinity = Static<typeof Affinity>;
