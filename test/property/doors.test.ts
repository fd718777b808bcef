/** The tests of rule 9's doors in memory, and at the configuration. `readers.test.ts` tests files of positions. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settled } from '#services/process/paced-system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { pacedClock } from '#shared/clock/paced.ts';
import { parseConfig } from '#shared/config/load.ts';
import { ConfigSchema } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { longOr } from '../long.ts';
import { PARTITIONS, valuesOf } from './doors-inputs.ts';
import { doorsOn } from './doors-on.ts';
import { SEED } from './seed.ts';

const START_MS = Date.UTC(2026, 2, 2, 12);
const PASS_MS = 1000;

doorsOn(
  async () => {
    const store = memoryStore();
    let nowMs = START_MS;
    return {
      settings: {},
      async open() {
        const [bus, clock] = [memoryBus({ partitions: PARTITIONS }), pacedClock(nowMs, Number.POSITIVE_INFINITY)];
        return {
          ...{ bus, store, clock },
          async pass(system) {
            nowMs = clock.now() + PASS_MS;
            await clock.paceTo(nowMs, () => settled(system, bus));
          },
        };
      },
    };
  },
  longOr(4, 60),
);

test('a configuration is accepted, or refused with CONFIG_INVALID', () => {
  fc.assert(
    fc.property(valuesOf(ConfigSchema, 2), (value) => {
      try {
        parseConfig(JSON.stringify(value), 'drawn');
      } catch (error) {
        expect(error).toBeInstanceOf(TagalongError);
        expect((error as TagalongError).code).toBe('CONFIG_INVALID');
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
});
