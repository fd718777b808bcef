import type { Config } from '#shared/config/schema.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { Ingest } from './service.ts';

/** Faults of one VM or of one user. Any other concerns all of them, such as a store that does not answer. */
const OF_ONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SITE_UNKNOWN',
  'HOME_FIXED',
  'VM_UNKNOWN',
  'EVENT_INVALID',
  'QUOTA_EXCEEDED',
  'STORE_RECORD_UNREADABLE',
]);

/**
 * Declares the VMs of a configuration, and attaches their users. What is known already is not said again. A VM that cannot be
 * declared, such as one whose home was removed while the installation ran, is logged and left out, and so is a user.
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
  for (const { vm, home, spec, sessions } of vms) {
    const declaring = ingest.declareVm(vm, home, spec, 'debug');
    if (!(await succeeds(declaring, { vm, home }, 'a VM of the configuration was not declared'))) continue;
    declared++;
    for (const { user, weight } of sessions) {
      await succeeds(ingest.attach(vm, user, weight), { vm }, 'a user of the configuration was not attached');
    }
  }
  // One line for all: there may be thousands.
  if (vms.length > 0) log.info({ vms: declared, of: vms.length }, 'VMs of the configuration are declared');
}
