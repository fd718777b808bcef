/** The declaration of a VM as a user gives it, in the configuration and over HTTP: some members have defaults. */
import Type from 'typebox';
import { Affinity, VmSpec } from '../events/types.ts';
import { closed } from './values.ts';

/** The figures of a VM as a user gives them. Some have a default. */
export const VmSpecInput = Type.Object(
  {
    ...VmSpec.properties,
    /** The bytes of the disk to copy; 0 if the sites share storage. @default 0 */
    diskBytes: Type.Number({ ...VmSpec.properties.diskBytes, default: 0 }),
    /** The switch-over begins when the rest can be copied within this time. QEMU has the same default. @default 300 */
    downtimeLimitMs: Type.Number({ ...VmSpec.properties.downtimeLimitMs, default: 300 }),
    /** The users notice no difference below this round-trip time. @default 10 */
    targetRttMs: Type.Number({ ...VmSpec.properties.targetRttMs, default: 10 }),
  },
  closed,
);

const { group: Group } = Affinity.properties;

/** The restrictions and preferences of a VM's sites, and its relations to other VMs, as a user gives them. */
export const AffinityInput = Type.Object(
  {
    ...Affinity.properties,
    /** The price of a second at a site that is not preferred, or that is avoided. @default 10 */
    preferenceUserMsPerS: Type.Number({ ...Affinity.properties.preferenceUserMsPerS, default: 10 }),
    group: Type.Optional(
      Type.Object(
        {
          lead: Group.properties.lead,
          /** The price of a second at another site than the lead. @default 10 */
          apartUserMsPerS: Type.Number({ ...Group.properties.apartUserMsPerS, default: 10 }),
        },
        closed,
      ),
    ),
  },
  closed,
);
