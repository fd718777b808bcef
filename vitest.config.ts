import { defineConfig } from 'vitest/config';
import { LONG } from './test/long.ts';

/** The name or the folder of a file determines its group. test/run.ts determines which groups run side by side. */
const ALONE = ['test/**/*.{alone,timed}.test.ts'];
const REAL_VMS = ['test/testbed/**/*.test.ts', 'test/**/*.qemu.test.ts'];
/** These tests change no state of the process, so they share a process and its modules. */
const ONE_PROCESS = ['test/{unit,integration,property,contract}/**/*.test.ts'];
const SERVERS = ['test/**/*.{kafka,nats,prometheus}.test.ts', 'test/**/*.{kafka,nats,prometheus}.long.test.ts'];
const ONLY_LONG = ['test/**/*.long.test.ts', 'test/**/*.long.*.test.ts'];

const unwanted = LONG ? [] : ONLY_LONG;
/** The tests without servers and VMs use the processor time that others leave, at least one core. The time limit only ends a test that hangs. */
const beside = { testTimeout: 180_000, hookTimeout: 180_000, maxWorkers: 3, sequence: { groupOrder: 0 } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'one process',
          include: ONE_PROCESS,
          exclude: [...REAL_VMS, ...SERVERS, ...ALONE, ...unwanted],
          ...beside,
          isolate: false,
        },
      },
      {
        test: {
          name: 'usual',
          include: ['test/**/*.test.ts'],
          exclude: [...ONE_PROCESS, ...REAL_VMS, ...SERVERS, ...ALONE, ...unwanted],
          ...beside,
        },
      },
      {
        test: {
          name: 'real servers',
          include: SERVERS,
          exclude: [...ALONE, ...unwanted],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          // Most of these tests wait until a server is silent or has returned.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'real VMs',
          include: REAL_VMS,
          exclude: [...ALONE, ...unwanted],
          testTimeout: 90_000,
          hookTimeout: 180_000,
          // With a second test bed at the same time, guests answer too late.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'alone',
          include: ALONE,
          exclude: unwanted,
          testTimeout: 90_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
