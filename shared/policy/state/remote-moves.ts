import type { Data, Fact } from '../../events/index.ts';
import { contradicts } from '../../migration/ordered-moves.ts';
import { type EndFact, isEnd } from '../../migration/outcome.ts';
import type { RecentMap } from '../../recent.ts';
import type { Traffic } from './traffic.ts';
import type { TrafficMove } from './traffic-forecasts.ts';
import type { VmContext } from './vm-context.ts';

/** The part of another process's VM that this process reads. */
export interface RemoteContext extends Pick<VmContext, 'vm' | 'seq' | 'move'>, Pick<TrafficMove, 'spec'> {}

/**
 * Moves of VMs that other processes own. They are traffic like the moves of this process. Sources:
 * the events that the others publish, and at the start their stored records. An event that does not fit the order of its move
 * changes nothing.
 */
export class RemoteMoves {
  readonly #traffic: Traffic;
  /** The facts that ended moves, by their decisions: a stored record with such a move is outdated. */
  readonly #ended: RecentMap<EndFact>;
  readonly #moves = new Map<string, TrafficMove>();
  /** Number of the last received decision on each VM. A process that takes over a VM republishes its predecessor's last decision. */
  readonly #seqs = new Map<string, number>();

  /** @param ended the ends of moves; shared with the next instance, which reads the stored records again */
  constructor(traffic: Traffic, ended: RecentMap<EndFact>) {
    this.#traffic = traffic;
    this.#ended = ended;
  }

  /** The moves that have not ended. */
  get moves(): Iterable<TrafficMove> {
    return this.#moves.values();
  }

  /** Applies the stored context of a VM: its last decision and its move. */
  restore({ vm, seq, move, spec }: RemoteContext): void {
    this.#seqs.set(vm, Math.max(seq, this.#seqs.get(vm) ?? 0));
    if (move) this.add({ vm, spec, ...move });
  }

  /** Adds a move, if it was not added yet and has not ended. */
  add(move: TrafficMove): void {
    const { decision } = move;
    if (this.#moves.has(decision) || this.#hasEnded(move)) return;
    this.#moves.set(decision, move);
    this.#traffic.add(move);
  }

  #hasEnded(move: TrafficMove): boolean {
    const end = this.#ended.get(move.decision);
    if (end === undefined || end.data.atMs < move.orderedAtMs) return false;
    return !contradicts(orderOf(move), end, end.data.atMs);
  }

  /**
   * Applies an event about a VM that another process owns.
   * @returns true if it completes a move: the correction of its pair may change
   */
  onEvent(fact: Fact, nowMs: number): boolean {
    if (fact.type === 'placement.decided.v1') this.#ordered(fact.data);
    if (fact.type !== 'migration.switched.v1' && !isEnd(fact)) return false;
    const { migration } = fact.data;
    const move = this.#moves.get(migration);
    if (move !== undefined && contradicts(orderOf(move), fact, nowMs)) return false;
    const atMs = Math.min(fact.data.atMs, nowMs);
    if (fact.type === 'migration.switched.v1') {
      this.#traffic.switched(migration, atMs);
      return false;
    }
    // The end of an unknown move: the record from which it will be known may be older.
    this.#ended.set(migration, { ...fact, data: { ...fact.data, atMs } } as EndFact);
    if (!this.#moves.delete(migration)) return false;
    this.#traffic.end(migration, atMs);
    return fact.type === 'migration.completed.v1';
  }

  #ordered(decided: Data<'placement.decided.v1'>): void {
    const { verdict, vm, seq, decision, from, to, spec, prediction, atMs } = decided;
    if (verdict !== 'move' || spec === undefined || seq <= (this.#seqs.get(vm) ?? 0)) return;
    this.#seqs.set(vm, seq);
    const paths = this.#traffic.pathIds(from, to);
    // Without heartbeats of both sites their paths are unknown. This process cannot order moves between them either.
    if (paths === undefined) return;
    const delayUserMsPerS = prediction?.delayUserMsPerS ?? 0;
    this.add({
      ...{ vm, decision, from, to, paths, spec, delayUserMsPerS },
      ...{ orderedAtMs: atMs, shared: false, switched: false },
    });
  }
}

const orderOf = ({ vm, from, to, orderedAtMs }: TrafficMove) => ({ vm, from, to, atMs: orderedAtMs });
