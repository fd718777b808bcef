import { LIVE_NAMES, SIMULATED_NAMES } from '#shared/policy/rules/named.ts';
import { GENERATOR_NAMES } from '#simulations/generators/generate.ts';
import type { Values } from '../output/completion.ts';
import { BENCH_NAMES } from './bench.ts';

/** The values that a shell completes, by the name that the help has for the value: `--policy <policies>`, `drain <site>`. */
export function completedValues(): Values {
  return {
    policies: { words: [...LIVE_NAMES, ...SIMULATED_NAMES], isList: true },
    generator: { words: GENERATOR_NAMES },
    bench: { words: BENCH_NAMES },
    site: { ask: 'sites' },
    vm: { ask: 'vms' },
  };
}
