/**
 * A pool of running VMs. Booting a VM takes seconds of processor time, so that a test takes a VM that another test has given
 * back. It runs at any one site, without a move.
 */
import { specOf, startVm } from '#deploy/testbed/moves.ts';
import type { TestBed } from '#deploy/testbed/world.ts';

/** A VM for one test, its site, and another site. */
export interface PooledVm {
  readonly vm: string;
  readonly from: string;
  readonly to: string;
}

/** Counts the VMs of all pools, because two pools may share a test bed. */
let serial = 0;

export class VmPool {
  readonly #bed: TestBed;
  readonly #spec: ReturnType<typeof specOf>;
  readonly #idle: { readonly vm: string; readonly site: string }[] = [];

  constructor(bed: TestBed, spec = specOf()) {
    this.#bed = bed;
    this.#spec = spec;
  }

  /** Takes an idle VM, or boots one at the first site. */
  async take(): Promise<PooledVm> {
    const sites = [...this.#bed.agents.keys()];
    const { vm, site } = this.#idle.pop() ?? (await this.#boot(sites[0]!));
    return { vm, from: site, to: sites.find((other) => other !== site)! };
  }

  /** Takes a VM for `work`. Removes it if `work` fails. */
  async with<T>(work: (pooled: PooledVm) => Promise<T>): Promise<T> {
    const pooled = await this.take();
    try {
      const result = await work(pooled);
      await this.give(pooled.vm);
      return result;
    } catch (error) {
      await this.remove(pooled.vm);
      throw error;
    }
  }

  /** Keeps a VM for the next test if it is as good as a new one, else removes it. */
  async give(vm: string): Promise<void> {
    const known = await Promise.all(
      [...this.#bed.agents].map(async ([site, agent]) => ({ site, instance: (await agent.instance(vm)).instance })),
    );
    const there = known.filter(({ instance }) => instance !== undefined);
    const [only] = there;
    const isAtRest = only?.instance?.state === 'running' && only.instance.migration === undefined;
    const answers = async () => (await this.#bed.agents.get(only!.site)!.guest(vm, ['addresses'])) !== '';
    if (there.length === 1 && isAtRest && (await answers().catch(() => false))) {
      this.#idle.push({ vm, site: only!.site });
    } else await this.remove(vm);
  }

  async remove(vm: string): Promise<void> {
    for (const agent of this.#bed.agents.values()) await agent.order(vm, 'remove', {});
  }

  async #boot(site: string): Promise<{ readonly vm: string; readonly site: string }> {
    const vm = `vm${++serial}`;
    try {
      await startVm(this.#bed, vm, site, this.#spec);
    } catch (error) {
      await this.remove(vm);
      throw error;
    }
    return { vm, site };
  }
}
