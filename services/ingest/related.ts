/**
 * The declared VMs that are related to others. Refuses a VM that would be one too many of its set or group, and one that is kept apart
 * from another of its own group.
 *
 * As for quotas (`quotas.ts`), each process counts the records once, and again where it would refuse. It does not see what others declare
 * in between. Placement ignores relations beyond the limit, so no count can be exceeded there.
 */
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import { MAX_RELATED } from '#shared/events/bounds.ts';
import type { Affinity } from '#shared/events/index.ts';
import { counted, quotaExceeded } from './quotas.ts';

/** A set of VMs to which a declaration adds one. */
interface Joined {
  readonly key: string;
  readonly most: number;
  readonly error: () => TagalongError;
}

/** The VMs of each set, of each group, and of each set within a group. */
export class RelatedVms {
  readonly #keys = new Map<string, readonly string[]>();
  readonly #members = new Map<string, Set<string>>();

  /** Replaces what was declared of a VM; null: nothing. */
  set(vm: string, affinity: Affinity | null): this {
    for (const key of this.#keys.get(vm) ?? []) {
      const members = this.#members.get(key);
      members?.delete(vm);
      if (members?.size === 0) this.#members.delete(key);
    }
    const keys = affinity === null ? [] : joinedBy(affinity).map(({ key }) => key);
    if (keys.length === 0) this.#keys.delete(vm);
    else this.#keys.set(vm, keys);
    for (const key of keys) this.#members.set(key, (this.#members.get(key) ?? new Set()).add(vm));
    return this;
  }

  /** Why a VM cannot be declared so; undefined: it can. */
  faultOf(vm: string, affinity: Affinity): TagalongError | undefined {
    const isFull = ({ key, most }: Joined) => {
      const members = this.#members.get(key);
      return members !== undefined && members.size >= most && !members.has(vm);
    };
    return joinedBy(affinity).find(isFull)?.error();
  }
}

/** Checks declarations against those of other VMs. */
export interface Related {
  /** Call before a VM is declared. @throws TagalongError QUOTA_EXCEEDED, EVENT_INVALID, or an error of the store */
  refuse(vm: string, affinity: Affinity): Promise<void>;
  /** Call after a VM was declared or retired. @param affinity null: none */
  changed(vm: string, affinity: Affinity | null): void;
}

/** @param read reads the related VMs from the store */
export function createRelated(clock: Clock, read: () => Promise<RelatedVms>): Related {
  const related = counted(clock, read);
  return {
    async refuse(vm, affinity) {
      if (affinity.group === undefined && affinity.apart === undefined) return;
      const faultIn = (vms: RelatedVms) => vms.faultOf(vm, affinity);
      const fault = faultIn(await related.get((vms) => faultIn(vms) !== undefined));
      if (fault !== undefined) throw fault;
    },
    changed: (vm, affinity) => related.edit((vms) => vms.set(vm, affinity)),
  };
}

/** Names contain no space, so keys of different kinds differ. */
function joinedBy({ apart, group }: Affinity): Joined[] {
  const joined: Joined[] = [];
  if (group !== undefined) {
    const error = () =>
      quotaExceeded(`affinity.group: VMs of the group of ${group.lead}`, MAX_RELATED, 'make several groups');
    joined.push({ key: `group ${group.lead}`, most: MAX_RELATED, error });
  }
  if (apart !== undefined) {
    const error = () => quotaExceeded(`affinity.apart: VMs of the set ${apart}`, MAX_RELATED, 'make several sets');
    joined.push({ key: `set ${apart}`, most: MAX_RELATED, error });
  }
  if (apart !== undefined && group !== undefined) {
    const text = `affinity.apart: ${apart} keeps it apart from a VM of its own group; leave out one of the two`;
    const error = () => new TagalongError('EVENT_INVALID', text);
    joined.push({ key: `group ${group.lead} set ${apart}`, most: 1, error });
  }
  return joined;
}
