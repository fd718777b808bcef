/** A migrator with its sites, which uses the fake agents of a test. */
import { createMigratorWithSites } from '#services/migrator/with-sites.ts';
import { qemuMachines } from '#services/sites/hosts/remote.ts';
import type { Bus } from '#shared/bus/bus.ts';
import { realClock } from '#shared/clock/real.ts';
import type { Config } from '#shared/config/schema.ts';
import { createLog } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';

export type QemuMigrator = Awaited<ReturnType<typeof startQemuMigrator>>;

/** Starts a migrator. `stop` ends it and its connections to the agents; bus and store stay open. */
export async function startQemuMigrator(config: Config, bus: Bus, store: Store) {
  const log = createLog('silent');
  const machines = await qemuMachines(config, store, log);
  const { migrator } = createMigratorWithSites({ bus, store, clock: realClock(), machines, config, log });
  await migrator.start();
  return {
    migrator,
    machines,
    async stop() {
      await migrator.stop();
      machines.close();
    },
  };
}
