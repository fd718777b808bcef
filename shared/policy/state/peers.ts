/**
 * The VMs that stand in relation to others: those that are kept apart from each other, and those that move in a group. VMs in relation
 * have names with one partition key, so the process that holds one of them holds all, and always knows where each of them is. A
 * relation to a VM with another partition key does not count, nor does that of a VM beyond the first ones by name (`MAX_RELATED`);
 * ingest refuses both.
 */
import { MAX_RELATED } from '../../events/bounds.ts';
import { partitionKeyOf } from '../../events/index.ts';
import { RelatedNames } from './related-names.ts';
import type { Vm } from './state.ts';
import type { MoveUnderWay } from './vm-context.ts';

/** The relations of one VM. */
interface Relation {
  /** The name of the set of VMs that are kept apart. */
  readonly apart: string | undefined;
  /** The lead of its group. */
  readonly lead: string | undefined;
}

const NOBODY: readonly Vm[] = [];
const NO_RELATION: Relation = { apart: undefined, lead: undefined };

/** The name of the site where a VM is, or will be if nothing happens to its move. */
export function siteOf({ home, context: { move } }: Vm): string {
  if (move === null) return home.id;
  return move.cancelling ? move.from : move.to;
}

/** The name of the site where a VM runs, or where its move began. */
function originOf({ home, context: { move } }: Vm): string {
  return move === null ? home.id : move.from;
}

/** True while a VM needs room at the site: it runs there, or is on its way there or away from there. */
function isAt(vm: Vm, site: string): boolean {
  return originOf(vm) === site || vm.context.move?.to === site;
}

/** True if the VM leads a group: it names itself as its lead. */
export function leads({ id, affinity }: Vm): boolean {
  return affinity?.group !== undefined && affinity.group.lead === id;
}

/** Finds the VMs to which others are related. Owned by one `Placement`. */
export class Peers {
  readonly #vms: ReadonlyMap<string, Vm>;
  readonly #relations = new Map<string, Relation>();
  /** The VMs that are kept apart, by the name of their set; those that follow, by their lead. */
  readonly #sets = new RelatedNames(MAX_RELATED);
  readonly #followers = new RelatedNames(MAX_RELATED - 1);

  /** @param vms the VMs of this process */
  constructor(vms: ReadonlyMap<string, Vm>) {
    this.#vms = vms;
  }

  /**
   * Call after a VM has been declared, restored, retired or forgotten.
   * @returns the VMs to which it was related before, or is now, and those whose relations count, or no longer count, because of it
   */
  update(id: string): readonly string[] {
    const before = this.relativesOf(id);
    const old = this.#relations.get(id) ?? NO_RELATION;
    this.#relations.delete(id);
    const others = [this.#sets.remove(old.apart, id), this.#followers.remove(old.lead, id)];
    const { apart, lead } = relationOf(this.#vms.get(id));
    if (apart !== undefined || lead !== undefined) {
      this.#relations.set(id, { apart, lead });
      others.push(this.#sets.add(apart, id), this.#followers.add(lead === id ? undefined : lead, id));
    }
    return [...new Set([...before, ...this.relativesOf(id), ...others.filter((name) => name !== undefined)])];
  }

  /** The lead that a VM follows; undefined: it follows none, or the lead is not declared as one. */
  leadOf({ id }: Vm): Vm | undefined {
    const name = this.#relations.get(id)?.lead;
    if (name === undefined || name === id || !this.#followers.counts(name, id)) return undefined;
    const lead = this.#vms.get(name);
    return lead !== undefined && leads(lead) ? lead : undefined;
  }

  /** The VMs that follow a lead, in order of names. */
  followersOf(lead: string): readonly Vm[] {
    return this.#named(this.#followers.of(lead));
  }

  /** The other VMs of the set that this one belongs to. */
  keptApartFrom(vm: Vm): readonly Vm[] {
    const apart = this.#relations.get(vm.id)?.apart;
    if (apart === undefined || !this.#sets.counts(apart, vm.id)) return NOBODY;
    return this.#named(this.#sets.of(apart)).filter((other) => other !== vm);
  }

  /** True if a VM from which this one is kept apart is at the site, or on its way there or away from there. */
  isShared(vm: Vm, site: string): boolean {
    return this.keptApartFrom(vm).some((other) => isAt(other, site));
  }

  /**
   * True if a move must not go on: a VM from which this one is kept apart has come to its destination, or is on its way there and comes
   * first, by an evacuation or by its name. An evacuation, or a new declaration, can bring this about.
   */
  givesWay(vm: Vm, { to, source, switched, cancelling }: MoveUnderWay): boolean {
    if (source === 'evacuation' || switched || cancelling) return false;
    return this.keptApartFrom(vm).some((other) => {
      const { move } = other.context;
      if (originOf(other) === to) return true;
      return move?.to === to && !move.cancelling && (move.source === 'evacuation' || other.id < vm.id);
    });
  }

  /** True if a VM is at the home of this one, or about to come, from which it is kept apart, and whose name comes first. */
  hasToLeave(vm: Vm): boolean {
    return this.keptApartFrom(vm).some((other) => other.id < vm.id && siteOf(other) === vm.home.id);
  }

  /** The names of the VMs whose decisions may depend on this one, a lead after those that follow it. */
  relativesOf(vm: string): readonly string[] {
    const relation = this.#relations.get(vm);
    if (relation === undefined) return this.#followers.of(vm);
    const { apart, lead } = relation;
    const names: string[] = [];
    if (apart !== undefined && this.#sets.counts(apart, vm)) names.push(...this.#sets.of(apart));
    if (lead !== undefined && (lead === vm || this.#followers.counts(lead, vm)))
      names.push(...this.#followers.of(lead), lead);
    return names.filter((name) => name !== vm);
  }

  #named(names: readonly string[]): readonly Vm[] {
    return names.length === 0 ? NOBODY : names.map((name) => this.#vms.get(name)!);
  }
}

/** The relations of a VM that count: those to VMs with its partition key. */
function relationOf(vm: Vm | undefined): Relation {
  const { apart, group } = vm?.affinity ?? {};
  if (vm === undefined || (apart === undefined && group === undefined)) return NO_RELATION;
  const key = partitionKeyOf(vm.id);
  const beside = (name: string | undefined) => (name !== undefined && partitionKeyOf(name) === key ? name : undefined);
  return { apart: beside(apart), lead: beside(group?.lead) };
}
