import { joinInstallation } from '#services/runtime/installation.ts';
import type { Bus } from '#shared/bus/bus.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Log } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import type { Store } from '#shared/store/store.ts';

/**
 * Opens the bus and the store of one installation.
 * @throws TagalongError INSTALLATION_OTHER, and the errors of opening each of them
 */
export async function openBoth(config: Config, log: Log): Promise<{ readonly bus: Bus; readonly store: Store }> {
  const bus = await openBus(config, log);
  const store = await openStore(config, log);
  try {
    const installation = await joinInstallation(config, bus, store);
    log.info({ installation }, 'part of an installation');
    return { bus, store };
  } catch (error) {
    await bus.close();
    await store.close();
    throw error;
  }
}
