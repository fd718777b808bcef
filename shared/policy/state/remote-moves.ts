import type { Data, Fact } from '../../events/index.ts';
import { isEnd } from '../../migration/outcome.ts';
import type { RecentSet } from '../../recent.ts';
import type { SiteTable } from './sites.ts';
import type { MoveUnderWay, VmContext } from './vm-context.ts';

/** A move of a VM that another process owns. */
export interface RemoteMove extends Pick<MoveUnderWay, 'decision' | 'from' | 'to' | 'paths'> {
  readonly vm: string;
}

/** The part of the context of another process's VM that this process reads. */
export type RemoteContext = Pick<VmContext, 'vm' | 'seq' | 'move'>;

/**
 * Moves of VMs that other processes own. They count against the limits of sites and paths like the moves of this process. Sources:
 * the events that the others publish, and at the start their stored records.
 */
export class RemoteMoves {
  readonly #sites: SiteTable;
  /** Decisions whose moves have ended: a stored record with such a move is outdated. */
  readonly #ended: RecentSet;
  readonly #moves = new Map<string, RemoteMove>();
  /** Number of the last received decision on each VM. A process that takes over a VM republishes its predecessor's last decision. */
  readonly #seqs = new Map<string, number>();

  /** @param ended the moves that have ended; shared with the next instance, which reads the stored records again */
  constructor(sites: SiteTable, ended: RecentSet) {
    this.#sites = sites;
    this.#ended = ended;
  }

  /** The moves that have not ended. */
  get moves(): Iterable<RemoteMove> {
    return this.#moves.values();
  }

  /** Applies the stored context of a VM: its last decision and its move. */
  restore({ vm, seq, move }: RemoteContext): void {
    this.#seqs.set(vm, Math.max(seq, this.#seqs.get(vm) ?? 0));
    if (move) this.add({ vm, ...move });
  }

  /** Adds a move, if it was not added before and has not ended. */
  add(move: RemoteMove): void {
    const { decision } = move;
    if (this.#moves.has(decision) || this.#ended.has(decision)) return;
    this.#moves.set(decision, move);
    this.#count(move, 1);
  }

  /**
   * Applies an event about a VM that another process owns.
   * @returns true if it completes a move: the correction of its pair will change
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
    // Without heartbeats of both sites their paths are unknown. This process cannot order moves between them either.
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
