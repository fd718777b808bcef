/** The VMs that sites claim to run though they were not handed to them. Such a claim changes nothing about the VM. */
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';

/** The most names of VMs in a line of the log. */
const MAX_NAMED = 8;

/** Logs and counts false claims. */
export class FalseClaims {
  readonly #log: Log;
  readonly #bySite = new Map<string, { readonly names: string; readonly count: number }>();

  constructor(log: Log) {
    this.#log = log;
  }

  get count(): number {
    return [...this.#bySite.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** Compares the answer of a site with the records. @param mayRun true if the VM may run at that site */
  note(site: string, instances: readonly InstanceStatus[], mayRun: (vm: string) => boolean): void {
    const running = instances.filter(({ state }) => state === 'running').map(({ vm }) => vm);
    const foreign = running.filter((vm) => !mayRun(vm));
    if (foreign.length === 0) return void this.#bySite.delete(site);
    const vms = foreign.slice(0, MAX_NAMED);
    const isNew = this.#bySite.get(site)?.names !== vms.join();
    this.#bySite.set(site, { names: vms.join(), count: foreign.length });
    if (!isNew) return;
    const why = 'a site claims VMs that were not handed to it, and is not believed; look into that site';
    this.#log.error({ event: 'foreign-vms', site, vms, count: foreign.length }, why);
  }

  forget(): void {
    this.#bySite.clear();
  }
}
