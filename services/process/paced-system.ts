/** All services in one process on a clock that is moved: after each instant everything that it caused has happened. */
import type { MemoryBus } from '#shared/bus/memory.ts';
import { createSystem, type System, type SystemOptions } from './system.ts';

export interface PacedSystem extends System {
  /** Starts everything, and declares the VMs of the configuration. */
  start(): Promise<void>;
  /** {@link settled} */
  settle(): Promise<void>;
}

/** Resolves when everything that was caused so far has happened, except what waits for the clock. */
export async function settled(
  { placement, migrator }: Pick<System, 'placement' | 'migrator'>,
  bus: MemoryBus,
): Promise<void> {
  do {
    await placement.idle();
    await migrator.idle();
    await bus.idle();
  } while (placement.busy || migrator.busy);
}

export function createPacedSystem({ bus, ...options }: SystemOptions & { readonly bus: MemoryBus }): PacedSystem {
  const system = createSystem({ ...options, bus });
  const settle = () => settled(system, bus);
  return {
    ...system,
    settle,
    async start() {
      await system.start();
      await settle();
      await system.declare();
      await settle();
    },
  };
}
