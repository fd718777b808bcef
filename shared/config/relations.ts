/** Declarations of VMs that contradict each other: sets of VMs that are kept apart, and groups. */
import { MAX_RELATED } from '../events/bounds.ts';
import { partitionKeyOf } from '../events/index.ts';
import type { Fault } from './faults.ts';
import { nearest } from './nearest.ts';

/** The part of a declaration that relates a VM to others. */
interface Relations {
  readonly allowed?: readonly string[] | undefined;
  readonly apart?: string | undefined;
  readonly group?: { readonly lead: string } | undefined;
}

interface DeclaredVm {
  readonly vm: string;
  readonly home: string;
  readonly affinity?: Relations | undefined;
}

const AT_APART = ['affinity', 'apart'];
const AT_GROUP = ['affinity', 'group'];
const AT_LEAD = [...AT_GROUP, 'lead'];

/**
 * The fault of the relations of one VM; undefined: there is none.
 * @param lead the declaration of the lead; null: it is declared without relations; undefined: it is not declared
 */
export function relationFault(
  vm: string,
  { allowed, apart, group }: Relations,
  lead: Relations | null | undefined,
): Fault | undefined {
  const split = partitionFault(vm, group?.lead, AT_LEAD) ?? partitionFault(vm, apart, AT_APART);
  if (split !== undefined) return split;
  if (group === undefined || group.lead === vm) return undefined;
  const name = group.lead;
  if (lead === undefined) return { path: AT_LEAD, message: `there is no VM "${name}"; declare it first` };
  if (lead?.group?.lead !== name) {
    const message = `names ${name}, which leads no group; declare ${name} with affinity.group.lead: ${name}`;
    return { path: AT_LEAD, message };
  }
  if (apart !== undefined && apart === lead.apart) {
    return { path: AT_GROUP, message: `${name} is kept apart from it (${apart}), and cannot lead it` };
  }
  if (common(allowed, lead.allowed)?.length === 0) {
    return {
      path: AT_GROUP,
      message: `no site is allowed for ${name}, which leads it, and for ${vm}; allow one for both`,
    };
  }
  return undefined;
}

/** The fault of a VM and the name of its lead or set: one placement can hold all of them only if they have one partition key. */
function partitionFault(vm: string, name: string | undefined, path: readonly string[]): Fault | undefined {
  const key = partitionKeyOf(vm);
  if (name === undefined || partitionKeyOf(name) === key) return undefined;
  const message = `names ${name}, but VMs in relation, and their sets, need names with the same part before "::"; rename ${vm} or ${name}, for example to ${key}::${name.split('::').at(-1)}`;
  return { path, message, code: 'PARTITION_DIFFERS' };
}

/**
 * The faults of all VMs of a configuration.
 * @param slots how many VMs each site can run, by site
 */
export function* relationFaults(vms: readonly DeclaredVm[], slots: ReadonlyMap<string, number>): Generator<Fault> {
  const byName = new Map(vms.map((vm) => [vm.vm, vm]));
  /** The first VM at each home, by set and home. */
  const homes = new Map<string, string>();
  const sizes = new Map<string, number>();
  const groups = new Map<string, { members: string[]; sets: Set<string>; allowed: readonly string[] | undefined }>();
  for (const [i, { vm, home, affinity = {} }] of vms.entries()) {
    const at = (fault: Fault): Fault => ({ ...fault, path: ['vms', `${i}`, ...fault.path] });
    const { apart, group, allowed } = affinity;
    if (apart !== undefined) {
      const place = JSON.stringify([apart, home]);
      const other = homes.get(place);
      if (other === undefined) homes.set(place, vm);
      else {
        const message = `keeps it apart from ${other}, which is at ${home} too; give one of them another home`;
        yield at({ path: AT_APART, message });
      }
      const size = (sizes.get(apart) ?? 0) + 1;
      sizes.set(apart, size);
      if (size === MAX_RELATED + 1) yield at({ path: AT_APART, message: tooMany('set', apart) });
    }
    const lead = group && byName.get(group.lead);
    const fault = relationFault(vm, affinity, lead && (lead.affinity ?? null));
    if (fault !== undefined && group === undefined) yield at(fault);
    if (group === undefined) continue;
    if (fault !== undefined) {
      const near = lead === undefined ? nearest(group.lead, [...byName.keys()]) : undefined;
      yield at(
        near === undefined ? fault : { ...fault, message: `there is no VM "${group.lead}"; did you mean ${near}?` },
      );
      continue;
    }
    const known = groups.get(group.lead) ?? { members: [], sets: new Set<string>(), allowed: undefined };
    groups.set(group.lead, known);
    if (apart !== undefined && known.sets.has(apart)) {
      yield at({
        path: AT_APART,
        message: 'keeps it apart from a VM of its own group; leave out one of the two',
      });
    }
    known.members.push(vm);
    if (known.members.length === MAX_RELATED + 1) {
      yield at({ path: AT_GROUP, message: tooMany('group', `of ${group.lead}`) });
    }
    known.allowed = common(known.allowed, allowed);
    if (apart !== undefined) known.sets.add(apart);
    const room = Math.max(
      0,
      ...[...slots].flatMap(([site, n]) => (known.allowed?.includes(site) === false ? [] : [n])),
    );
    if (known.members.length > room) {
      const message = `no site that all ${known.members.length} VMs of the group may use has room for them; allow others, or give slots`;
      yield at({ path: AT_GROUP, message });
    }
  }
}

function tooMany(kind: 'set' | 'group', name: string): string {
  return `is one VM too many in the ${kind} ${name}, which may have ${MAX_RELATED}; make several ${kind}s`;
}

/** The VMs in their order, but those that follow a lead after all others: a lead has to be declared first. */
export function* leadsFirst<V extends DeclaredVm>(vms: Iterable<V>): Generator<V> {
  const followers: V[] = [];
  for (const vm of vms) {
    const { group } = vm.affinity ?? {};
    if (group !== undefined && group.lead !== vm.vm) followers.push(vm);
    else yield vm;
  }
  yield* followers;
}

/** The sites in both lists; undefined, which is all sites, where neither is given. */
function common(a: readonly string[] | undefined, b: readonly string[] | undefined): readonly string[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.filter((site) => b.includes(site));
}
