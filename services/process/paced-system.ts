/** All services in one process on a clock that is moved: after each instant everything that it caused has happened. */
import type { MemoryBus } from '#shared/bus/memory.ts';
import { createSystem, type System, type SystemOptions } from './system.ts';

export interface PacedSystem extends System {
  /** Starts everything, and declares the VMs of the configuration. */
  start(): Promise<void>;
  /** Resolves when everything that was caused so far has happened, except what waits for the clock. */
  settle(): Promise<void>;
}

export function createPacedSystem({ bus, ...options }: SystemOptions & { readonly bus: MemoryBus }): PacedSystem {
  const system = createSystem({ ...options, bus });
  const { placement, migrator } = system;
  const settle = async () => {
    do {
      await placement.idle();
      await migrator.idle();
      await bus.idle();
    } while (placement.busy || migrator.busy);
  };
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
