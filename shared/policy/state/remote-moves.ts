import type { Data, Fact } from '../../events/index.ts';
import { isEnd } from '../../migration/outcome.ts';
import type { RecentSet } from '../../recent.ts';
import type { SiteTable } from './sites.ts';
import type { MoveUnderWay, VmContext } from './vm-context.ts';

/** A move of a VM that another process holds. */
export interface RemoteMove extends Pick<MoveUnderWay, 'decision' | 'from' | 'to' | 'paths'> {
  readonly vm: string;
}

/** What this process needs of the context of a VM that another process holds. */
export type RemoteContext = Pick<VmContext, 'vm' | 'seq' | 'move'>;

/**
 * Moves of VMs that other processes hold. They count against the limits of sites and paths as our own do. Sources: the events
 * that the others publish, and at the start their stored records.
 */
export class RemoteMoves {
  readonly #sites: SiteTable;
  /** Moves that have ended, by their decisions: a record that was read before that is out of date. */
  readonly #ended: RecentSet;
  readonly #moves = new Map<string, RemoteMove>();
  /** Number of the last known decision on each VM: a process that takes a VM over publishes its predecessor's last one again. */
  readonly #seqs = new Map<string, number>();

  /** @param ended remembers the moves that have ended, also for the next instance, which the records are read into anew */
  constructor(sites: SiteTable, ended: RecentSet) {
    this.#sites = sites;
    this.#ended = ended;
  }

  /** Those that have not ended. */
  get moves(): Iterable<RemoteMove> {
    return this.#moves.values();
  }

  /** Takes what the stored record of a VM says of its last decision and of its move. */
  restore({ vm, seq, move }: RemoteContext): void {
    this.#seqs.set(vm, Math.max(seq, this.#seqs.get(vm) ?? 0));
    if (move) this.add({ vm, ...move });
  }

  /** Counts a move, once. A move that has ended since it was read or published changes nothing. */
  add(move: RemoteMove): void {
    const { decision } = move;
    if (this.#moves.has(decision) || this.#ended.has(decision)) return;
    this.#moves.set(decision, move);
    this.#count(move, 1);
  }

  /**
   * Takes an event about a VM that another process holds.
   * @returns true: a move was completed, so the correction of its pair will change
   */
  onEvent(fact: Fact): boolean {
    if (fact.type === 'placement.decided.v1') this.#ordered(fact.data);
    if (!isEnd(fact)) return false;
    this.#end(fact.data.migration);
    return fact.type === 'migration.completed.v1';
  }

  #ordered({ verdict, vm, seq, decision, from, to }: Data<'placement.decided.v1'>): void {
    if (verdict !== 'move' || seq <= (this.#seqs.get(vm) ?? 0)) return;
    this.#seqs.set(vm, seq);
    const [source, destination] = [this.#sites.named(from), this.#sites.named(to)];
    // Without a heartbeat of both sites their common paths are unknown, and we cannot move anything there either.
    if (source.index < 0 || destination.index < 0) return;
    const paths = this.#sites.pair(source, destination).paths.map(({ id }) => id);
    this.add({ vm, decision, from, to, paths });
  }

  #end(decision: string): void {
    this.#ended.add(decision);
    const move = this.#moves.get(decision);
    if (move) this.#count(move, -1);
    this.#moves.delete(decision);
  }

  #count({ from, to, paths }: RemoteMove, change: 1 | -1): void {
    this.#sites.count(this.#sites.named(from), this.#sites.named(to), paths, change);
  }
}
