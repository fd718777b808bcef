import { leadsFirst } from '#shared/config/relations.ts';
import type { Config } from '#shared/config/schema.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import type { Affinity } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { Ingest } from './service.ts';

/** Errors that concern one VM or one user. All others concern the whole configuration, such as an unreachable store. */
const OF_ONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SITE_UNKNOWN',
  'HOME_FIXED',
  'VM_UNKNOWN',
  'EVENT_INVALID',
  'QUOTA_EXCEEDED',
  'STORE_RECORD_UNREADABLE',
]);

/**
 * Declares the VMs of a configuration, and attaches their users. Publishes nothing for VMs and users that are on record already.
 * Logs and skips a VM or a user that is refused, such as a VM whose home site was removed.
 */
export async function declareVms(ingest: Ingest, vms: Config['vms'], parent: Log): Promise<void> {
  const log = serviceLog(parent, 'ingest');
  const succeeds = async (work: Promise<void>, about: object, message: string) => {
    try {
      await work;
      return true;
    } catch (error) {
      if (!(error instanceof TagalongError) || !OF_ONE.has(error.code)) throw error;
      log.error({ ...about, err: error }, message);
      return false;
    }
  };
  let declared = 0;
  for (const { vm, home, spec, affinity, sessions } of leadsFirst(vms)) {
    const declaring = ingest.declareVm(vm, home, spec, { affinity: affinity as Affinity | undefined, level: 'debug' });
    if (!(await succeeds(declaring, { vm, home }, 'a VM of the configuration was not declared'))) continue;
    declared++;
    for (const { user, weight } of sessions) {
      await succeeds(ingest.attach(vm, user, weight), { vm }, 'a user of the configuration was not attached');
    }
  }
  // One line for all VMs: there may be thousands.
  if (vms.length > 0) log.info({ vms: declared, of: vms.length }, 'VMs of the configuration are declared');
}
