/** A leader without records takes over the VMs in the first answer of each site. */
import type { VmSpec } from '#shared/events/index.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';

const NOT_STARTED = 'a VM could not be started; declare it again';

/** Owns the VMs that wait until all sites have answered. */
export class TakeOver {
  readonly #log: Log;
  readonly #sites: () => readonly string[];
  readonly #handOver: (vm: string, site: string) => Promise<boolean>;
  readonly #start: (vm: string, site: string, spec: VmSpec) => Promise<void>;
  /** True: the first answer of each site is taken over. */
  #on = false;
  readonly #answered = new Set<string>();
  readonly #underWay = new Map<string, Promise<void>>();
  /** Sites that were queried because a VM waits for them. They are not queried again: their next heartbeat counts. */
  readonly #asked = new Set<string>();
  /** VMs that are started once all sites have answered. */
  readonly #waiting = new Map<string, { readonly site: string; readonly spec: VmSpec }>();

  /**
   * @param sites the sites that exist
   * @param handOver records that a VM runs at a site, unless it has a record. @returns whether it did
   * @param start starts a VM that has waited
   */
  constructor(options: {
    readonly log: Log;
    readonly sites: () => readonly string[];
    readonly handOver: (vm: string, site: string) => Promise<boolean>;
    readonly start: (vm: string, site: string, spec: VmSpec) => Promise<void>;
  }) {
    this.#log = options.log;
    this.#sites = options.sites;
    this.#handOver = options.handOver;
    this.#start = options.start;
  }

  get on(): boolean {
    return this.#on;
  }

  set on(on: boolean) {
    this.#on = on;
  }

  /** Forgets the VMs that wait and the sites that were queried, when the leader changes. */
  forget(): void {
    this.#waiting.clear();
    this.#asked.clear();
  }

  /** A retired VM does not wait any more. */
  forgetVm(vm: string): void {
    this.#waiting.delete(vm);
  }

  /** Takes over the VMs of a site, if this is its first answer. */
  async answered(site: string, instances: readonly InstanceStatus[]): Promise<void> {
    if (!this.#on || this.#answered.has(site)) return;
    const taking = this.#underWay.get(site) ?? this.#take(site, instances).finally(() => this.#underWay.delete(site));
    this.#underWay.set(site, taking);
    await taking;
  }

  /** The sites that have not answered, after each of them was queried once. */
  async silentSites(ask: (site: string) => Promise<unknown>): Promise<readonly string[]> {
    const unasked = this.#silent().filter((site) => !this.#asked.has(site));
    for (const site of unasked) this.#asked.add(site);
    await Promise.all(unasked.map(ask));
    return this.#silent();
  }

  /** Starts a VM once all sites have answered. */
  wait(vm: string, site: string, spec: VmSpec): void {
    this.#waiting.set(vm, { site, spec });
  }

  #silent(): string[] {
    return this.#sites().filter((site) => !this.#answered.has(site));
  }

  async #take(site: string, instances: readonly InstanceStatus[]): Promise<void> {
    for (const { vm, state } of instances) {
      if (state !== 'receiving' && (await this.#handOver(vm, site))) {
        this.#log.info({ vm, site }, 'took over a VM that runs at a site');
      }
    }
    this.#answered.add(site);
    if (this.#silent().length > 0) return;
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const [vm, { site: home, spec }] of all) {
      void this.#start(vm, home, spec).catch((err) => this.#log.error({ vm, err }, NOT_STARTED));
    }
  }
}
