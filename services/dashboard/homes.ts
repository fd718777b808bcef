/** Which VM is at home where, now and at any instant of the last hour. */
import { Counts } from '#shared/model/counts.ts';

/** A VM that came to a site; null: it is no more. */
interface Stay {
  readonly atMs: number;
  readonly site: string | null;
}

/** The homes of all VMs. */
export class Homes {
  /** By VM, ascending in time; the last one is where it is now. */
  readonly #stays = new Map<string, Stay[]>();
  readonly #sizes = new Counts();
  readonly #changed = new Set<string>();

  /** @returns undefined where it is not known, or no more */
  of(vm: string): string | undefined {
    return this.#stays.get(vm)?.at(-1)?.site ?? undefined;
  }

  /** How many VMs are at home at a site. */
  at(site: string): number {
    return this.#sizes.of(site);
  }

  /** A VM is at a site from an instant on. An older report than the last one changes nothing. */
  settle(vm: string, site: string, atMs: number): void {
    this.#set(vm, site, atMs);
  }

  /** A VM is no more. */
  retire(vm: string, atMs: number): void {
    this.#set(vm, null, atMs);
  }

  /** Where every VM is. */
  all(): [vm: string, site: string][] {
    return [...this.#stays].flatMap(([vm, stays]) => pairOf(vm, stays.at(-1)));
  }

  /** Where every VM was at an instant. A VM that was first reported later counts as having been where it was found. */
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

  /** Forgets where VMs were before an instant. */
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
