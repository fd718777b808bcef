import { defineConfig } from 'vitest/config';

/** Tests that move real VMs: one file at a time, when nothing else wants the processors. */
const REAL = ['test/testbed/**/*.test.ts', 'test/contract/hypervisor.qemu.test.ts'];

/** Tests that run servers and many processes of their own, some of which they kill: one file at a time, too, and last. */
const SERVERS = ['test/**/*.{kafka,nats,prometheus}.test.ts', 'test/e2e/services.test.ts', 'test/e2e/crash.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'usual',
          include: ['test/**/*.test.ts'],
          exclude: [...REAL, ...SERVERS],
          testTimeout: 30_000,
          // The simulations and property tests are CPU-bound; more workers than cores only makes them wait for each other.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'real VMs',
          include: REAL,
          testTimeout: 90_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'real servers',
          include: SERVERS,
          testTimeout: 60_000,
          hookTimeout: 90_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
