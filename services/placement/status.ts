import type { Placement } from '#shared/policy/placement.ts';

/** Sites and VMs, for people and programs. */
export interface PlacementStatus {
  readonly policy: string;
  /** True: an operator has paused automatic moves. */
  readonly paused: boolean;
  /** The name of the caller that paused them; null: nobody, or a caller without a name. */
  readonly pausedBy: string | null;
  /** The partitions whose VMs are listed, and how many there are in all. */
  readonly partitions: { readonly held: readonly number[]; readonly of: number };
  readonly sites: readonly {
    readonly site: string;
    readonly slots: number;
    /** How many of the listed VMs are at home there. */
    readonly vms: number;
    readonly inbound: number;
    readonly draining: boolean;
    /** The name of the caller that ordered the drain; null: nobody, or a caller without a name. */
    readonly drainedBy: string | null;
  }[];
  readonly vms: readonly {
    readonly vm: string;
    readonly home: string;
    readonly state: string;
    readonly reason: string;
    readonly users: number;
    /** The destination, while the VM moves. */
    readonly movingTo: string | null;
    readonly migration: string | null;
    /** The name of the move's orderer, or the drain that caused it; null: the policy, or a caller without a name. */
    readonly orderedBy: string | null;
    /** True: its home sends no heartbeats; the site was removed, or never existed. */
    readonly stranded: boolean;
  }[];
}

/** Sites and VMs in order of their names. */
export function statusOf(core: Placement, partitions: PlacementStatus['partitions']): PlacementStatus {
  return {
    policy: core.policy.name,
    paused: core.paused,
    pausedBy: (core.paused && core.pausedBy) || null,
    partitions,
    sites: core.sites.list
      .map(({ id, slots, homes, inbound, draining, drainedBy = null }) => ({
        ...{ site: id, slots, vms: homes.size, inbound, draining },
        drainedBy: draining ? drainedBy : null,
      }))
      .sort((a, b) => (a.site < b.site ? -1 : 1)),
    vms: [...core.vms.values()]
      .map(({ id, home, state, reason, sessions, context }) => ({
        vm: id,
        home: home.id,
        state,
        reason,
        users: sessions.length,
        movingTo: context.move?.to ?? null,
        migration: context.move?.decision ?? null,
        orderedBy: context.move?.orderedBy ?? null,
        stranded: home.index < 0,
      }))
      .sort((a, b) => (a.vm < b.vm ? -1 : 1)),
  };
}
