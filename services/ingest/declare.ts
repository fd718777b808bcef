import type { Config } from '#shared/config/schema.ts';
import type { Ingest } from './service.ts';

/** Declares the VMs of a configuration, and attaches their users. What is known already is not said again. */
export async function declareVms(ingest: Ingest, vms: Config['vms']): Promise<void> {
  for (const { vm, home, spec, sessions } of vms) {
    await ingest.declareVm(vm, home, spec);
    for (const { user, weight } of sessions) await ingest.attach(vm, user, weight);
  }
}
