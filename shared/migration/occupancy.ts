/**
 * The occupancy of the sites: the VMs in a site's last heartbeat, corrected by later switch-overs, and the VMs on their way to it.
 * A site without a heartbeat is never full.
 */
import type { Data } from '../events/index.ts';

interface Place {
  slots: number;
  reportedAtMs: number;
  vms: Set<string>;
  /** On their way here. */
  readonly expected: Set<string>;
}

export class Occupancy {
  readonly #places = new Map<string, Place>();
  /** The last move of a VM that no heartbeat has confirmed. */
  readonly #moved = new Map<string, { readonly to: string; readonly atMs: number }>();

  /** Applies a heartbeat. One that is older than the last changes nothing. */
  report({ site, slots, vms, atMs }: Data<'site.reported.v1'>): void {
    const place = this.#place(site);
    if (atMs < place.reportedAtMs) return;
    const movedSince = (vm: string) => {
      const move = this.#moved.get(vm);
      return move !== undefined && move.atMs >= atMs ? move : undefined;
    };
    const arrived = [...place.vms].filter((vm) => movedSince(vm)?.to === site);
    const stayed = vms.filter((vm) => (movedSince(vm)?.to ?? site) === site);
    for (const vm of stayed) if (movedSince(vm) === undefined) this.#moved.delete(vm);
    Object.assign(place, { slots, reportedAtMs: atMs, vms: new Set([...stayed, ...arrived]) });
  }

  /** Records that a VM is on its way to a site (true), or no longer is (false). */
  expect(vm: string, site: string, expected: boolean): void {
    const place = this.#place(site);
    if (expected) place.expected.add(vm);
    else place.expected.delete(vm);
  }

  /** Records that a VM has switched over from one site to another. */
  moved(vm: string, from: string, to: string, atMs: number): void {
    this.#moved.set(vm, { to, atMs });
    if (atMs >= this.#place(from).reportedAtMs) this.#place(from).vms.delete(vm);
    if (atMs >= this.#place(to).reportedAtMs) this.#place(to).vms.add(vm);
  }

  /** Removes a VM that was retired. */
  removed(vm: string): void {
    for (const { vms } of this.#places.values()) vms.delete(vm);
  }

  /** True if no slot is free. */
  isFull(site: string): boolean {
    const { slots, vms, expected } = this.#place(site);
    let count = vms.size;
    for (const vm of expected) if (!vms.has(vm)) count++;
    return count >= slots;
  }

  #place(site: string): Place {
    let place = this.#places.get(site);
    if (place === undefined) {
      const never = Number.NEGATIVE_INFINITY;
      place = { slots: Number.POSITIVE_INFINITY, reportedAtMs: never, vms: new Set(), expected: new Set() };
      this.#places.set(site, place);
    }
    return place;
  }
}
