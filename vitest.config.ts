import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    // The simulations and property tests are CPU-bound; more workers than cores only makes them wait for each other.
    maxWorkers: 2,
  },
});
