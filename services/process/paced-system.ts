/** All services in one process, on a clock that the caller moves once all effects of an instant have happened. */
import type { MemoryBus } from '#shared/bus/memory.ts';
import { allIdle } from '#shared/time/in-flight.ts';
import { createSystem, type System, type SystemOptions } from './system.ts';

/** A system whose caller moves the clock. */
export interface PacedSystem extends System {
  /** Starts everything, and declares the VMs of the configuration. */
  start(): Promise<void>;
  /** {@link settled} */
  settle(): Promise<void>;
}

/** Resolves when all pending work waits for the clock. */
export async function settled(
  { placement, migrator }: Pick<System, 'placement' | 'migrator'>,
  bus: MemoryBus,
): Promise<void> {
  await allIdle([placement, migrator, bus]);
}

/** Makes such a system on a bus in memory, which says when it is idle. Nothing is started. */
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
