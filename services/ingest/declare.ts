import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { Ingest } from './service.ts';

/**
 * Declares the VMs of a configuration, and attaches their users. What is known already is not said again. A VM whose home was
 * removed while the installation ran is said in the log and left out: the others are declared.
 */
export async function declareVms(ingest: Ingest, vms: Config['vms'], parent: Log): Promise<void> {
  const log = serviceLog(parent, 'ingest');
  let declared = 0;
  for (const { vm, home, spec, sessions } of vms) {
    try {
      await ingest.declareVm(vm, home, spec, 'debug');
      declared++;
      for (const { user, weight } of sessions) await ingest.attach(vm, user, weight);
    } catch (error) {
      if (!(error instanceof TagalongError) || !['SITE_UNKNOWN', 'HOME_FIXED'].includes(error.code)) throw error;
      log.error({ vm, home, err: error }, 'a VM of the configuration was not declared');
    }
  }
  // One line for all: there may be thousands.
  if (vms.length > 0) log.info({ vms: declared, of: vms.length }, 'VMs of the configuration are declared');
}
