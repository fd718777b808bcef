import { defineConfig } from 'vitest/config';
import { LONG } from './test/long.ts';

/** The name or the folder of a file says which group it belongs to. test/run.ts says which of them run side by side. */
const ALONE = ['test/**/*.{alone,timed}.test.ts'];
const REAL_VMS = ['test/testbed/**/*.test.ts', 'test/**/*.qemu.test.ts'];
/** Nothing in them changes what the next one finds, so that they share a process and the modules in it. */
const UNIT = ['test/unit/**/*.test.ts'];
const SERVERS = ['test/**/*.{kafka,nats,prometheus}.test.ts', 'test/**/*.{kafka,nats,prometheus}.long.test.ts'];
const ONLY_LONG = ['test/**/*.long.test.ts', 'test/**/*.long.*.test.ts'];

const unwanted = LONG ? [] : ONLY_LONG;
/** The tests without servers and VMs take the time that others leave: a limit only ends what hangs. Real VMs leave them one core and more. */
const beside = { testTimeout: 180_000, hookTimeout: 180_000, maxWorkers: 2, sequence: { groupOrder: 0 } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: UNIT,
          exclude: [...REAL_VMS, ...SERVERS, ...ALONE, ...unwanted],
          ...beside,
          isolate: false,
        },
      },
      {
        test: {
          name: 'usual',
          include: ['test/**/*.test.ts'],
          exclude: [...UNIT, ...REAL_VMS, ...SERVERS, ...ALONE, ...unwanted],
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
          // Most of them wait for something to fall silent, or to be back.
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
          // Beside a second test bed guests answer too late.
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
