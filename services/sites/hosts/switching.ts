/** The moves whose VM may be at either end: from the order to switch over until the record of the new site is written. */
import type { Hypervisor, Move, Report } from '#shared/hypervisor/hypervisor.ts';
import type { Log } from '#shared/log.ts';

/** Follows the moves that switch over. */
export class SwitchingMoves {
  readonly #moves = new Map<string, Move>();
  readonly #log: Log;
  readonly #record: (move: Move) => Promise<void>;

  /** @param record writes the new site of the VM down. @throws TagalongError of the store; then the arrival is not reported */
  constructor(log: Log, record: (move: Move) => Promise<void>) {
    this.#log = log;
    this.#record = record;
  }

  /** True if the VM moves from or to the site. */
  has(vm: string, site: string): boolean {
    return [...this.#moves.values()].some((move) => move.vm === vm && (move.to === site || move.from === site));
  }

  forget(): void {
    this.#moves.clear();
  }

  /** The same hypervisor; it reports an arrival only after it is recorded. */
  recorded(hypervisor: Hypervisor): Hypervisor {
    return {
      ...hypervisor,
      listen: (tell) =>
        hypervisor.listen((report) => {
          const move = this.#moves.get(report.id);
          if (move && hasArrived(move, report)) {
            void this.#arrived(move, report, tell);
            return;
          }
          if (report.kind === 'aborted') this.#moves.delete(report.id);
          tell(report);
        }),
      begin: (step, move) => {
        if (step === 'switch') this.#follow(move);
        hypervisor.begin(step, move);
      },
      inspect: (move) => {
        this.#follow(move);
        hypervisor.inspect(move);
      },
    };
  }

  #follow(move: Move): void {
    for (const [id, { vm }] of this.#moves) if (vm === move.vm) this.#moves.delete(id);
    this.#moves.set(move.id, move);
  }

  async #arrived(move: Move, report: Report, tell: (report: Report) => void): Promise<void> {
    try {
      await this.#record(move);
      this.#moves.delete(move.id);
      tell(report);
    } catch (err) {
      // The step is not reported, so the migrator inspects the move again later.
      this.#log.error({ vm: move.vm, err }, 'the new site of a VM was not written down; the migrator asks again');
    }
  }
}

function hasArrived(move: Move, report: Report): boolean {
  const isDone = report.kind === 'done' && report.step === 'switch';
  return isDone || (report.kind === 'inspected' && report.runsAt === move.to);
}
