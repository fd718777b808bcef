/** The runs of the moves that this process carries out or has inspected. */
import { TagalongError } from '../../errors.ts';
import { pathsBetween, type Uplink } from '../../model/paths.ts';
import type { Move } from '../hypervisor.ts';
import type { AgentClient } from './client.ts';
import { newRun, type Run } from './run.ts';

/** A move without an order for this time counts as abandoned. */
const ABANDONED_MS = 600_000;

/** Owns the runs, by the ids of their moves. */
export class Runs {
  readonly #agents: ReadonlyMap<string, AgentClient>;
  readonly #sites: readonly { readonly site: string; readonly uplinks: readonly Uplink[] }[];
  readonly #runs = new Map<string, Run>();

  /** Agents and sites may change later: each new run reads them again. */
  constructor(
    agents: ReadonlyMap<string, AgentClient>,
    sites: readonly { readonly site: string; readonly uplinks: readonly Uplink[] }[],
  ) {
    this.#agents = agents;
    this.#sites = sites;
  }

  /** The run of a move, created at first use. @throws TagalongError SITE_UNKNOWN if one of its sites has no agent */
  of(move: Move): Run {
    const known = this.#runs.get(move.id);
    if (known) {
      known.touchedAtMs = Date.now();
      return known;
    }
    const [from, to] = [move.from, move.to].map((site) => this.#sites.find((other) => other.site === site));
    const [source, destination] = [this.#agents.get(move.from), this.#agents.get(move.to)];
    if (!from || !to || !source || !destination) {
      const sites = [...this.#agents.keys()].join(', ');
      throw new TagalongError(
        'SITE_UNKNOWN',
        `${move.from} or ${move.to} has no agent; choose sites with one: ${sites}`,
      );
    }
    // Earlier moves of the VM that are over or abandoned need no run any more.
    for (const [id, other] of this.#runs) {
      if (other.move.vm === move.vm && !this.isUnderWay(id)) this.#runs.delete(id);
    }
    const run = newRun({ move, source, destination, paths: pathsBetween(from, to) });
    this.#runs.set(move.id, run);
    return run;
  }

  /** True while this process carries out that migration. */
  readonly isUnderWay = (migration: string): boolean => {
    const run = this.#runs.get(migration);
    if (run === undefined || run.isOver) return false;
    return run.underWay !== undefined || Date.now() - run.touchedAtMs < ABANDONED_MS;
  };

  /** Deletes the run of a move that was undone. */
  delete(migration: string): void {
    this.#runs.delete(migration);
  }

  /** Ends the orders and reports of all runs. */
  stop(): void {
    for (const { stop } of this.#runs.values()) stop.abort();
  }
}
