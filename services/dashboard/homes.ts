/** The homes of VMs, now and at any instant of the last hour. */
import { Counts } from '#shared/model/counts.ts';

/** The arrival of a VM at a site; `site` is null if the VM was retired. */
interface Stay {
  readonly atMs: number;
  readonly site: string | null;
}

/** The homes of all VMs. */
export class Homes {
  /** By VM, in the order of time. The last stay is the present one. */
  readonly #stays = new Map<string, Stay[]>();
  readonly #sizes = new Counts();
  readonly #changed = new Set<string>();

  /** The home of a VM; undefined if it is unknown or the VM was retired. */
  of(vm: string): string | undefined {
    return this.#stays.get(vm)?.at(-1)?.site ?? undefined;
  }

  /** The number of VMs whose home is this site. */
  at(site: string): number {
    return this.#sizes.of(site);
  }

  /** Sets the home of a VM from an instant on. A report that is older than the last one changes nothing. */
  settle(vm: string, site: string, atMs: number): void {
    this.#set(vm, site, atMs);
  }

  /** Removes a VM. */
  retire(vm: string, atMs: number): void {
    this.#set(vm, null, atMs);
  }

  /** The homes of all VMs. */
  all(): [vm: string, site: string][] {
    return [...this.#stays].flatMap(([vm, stays]) => pairOf(vm, stays.at(-1)));
  }

  /** The homes of all VMs at an instant. A VM whose first report is later counts as having been at that site before. */
  past(atMs: number): [vm: string, site: string][] {
    return [...this.#stays].flatMap(([vm, stays]) =>
      pairOf(vm, stays.findLast((stay) => stay.atMs <= atMs) ?? stays[0]),
    );
  }

  /** The changes since the last call. */
  changes(): { readonly homes: [vm: string, site: string][]; readonly gone: string[] } {
    const changed = [...this.#changed];
    this.#changed.clear();
    return {
      homes: changed.flatMap((vm) => pairOf(vm, this.#stays.get(vm)?.at(-1))),
      gone: changed.filter((vm) => this.of(vm) === undefined),
    };
  }

  /** Drops the stays that ended before an instant. */
  forget(beforeMs: number): void {
    for (const [vm, stays] of this.#stays) {
      while (stays.length > 1 && stays[1]!.atMs <= beforeMs) stays.shift();
      if (stays.length === 1 && stays[0]!.site === null && stays[0]!.atMs <= beforeMs) this.#stays.delete(vm);
    }
  }

  #set(vm: string, site: string | null, atMs: number): void {
    const stays = this.#stays.get(vm) ?? [];
    const last = stays.at(-1);
    if (last === undefined ? site === null : last.site === site || atMs <= last.atMs) return;
    stays.push({ atMs, site });
    this.#stays.set(vm, stays);
    if (last?.site) this.#sizes.add(last.site, -1);
    if (site) this.#sizes.add(site, 1);
    this.#changed.add(vm);
  }
}

function pairOf(vm: string, stay: Stay | undefined): [vm: string, site: string][] {
  return stay?.site ? [[vm, stay.site]] : [];
}
