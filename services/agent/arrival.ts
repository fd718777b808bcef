/** A VM that runs at its destination in post-copy, where parts of its memory may be missing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { retry } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import { ANY_ADDRESS } from './migration-settings.ts';
import { isPortTaken, listenAtFreePort } from './ports.ts';
import { isRunning, type Qmp, QmpError } from './qmp.ts';
import { migrationStatus } from './query-migrate.ts';

/** How long QEMU may take to close its connection. */
const CLOSE_MS = 10_000;
/** A QEMU that waits for a page answers nobody. */
const SILENT_MS = 300;

/** Owns the second monitor of such a VM, and the last answer of its QEMU. */
export class Arrival {
  readonly #qmp: Qmp;
  /** A second monitor, out of band: it takes commands also while QEMU waits for a page. */
  readonly #urgent: Qmp;
  #isWhole = false;
  #question: Promise<void> | undefined;
  #isRunning = true;

  /** @param urgent is closed by {@link close} */
  constructor(qmp: Qmp, urgent: Qmp) {
    this.#qmp = qmp;
    this.#urgent = urgent;
  }

  /** The state of the VM. A QEMU that does not answer within 300 ms waits for a page: its VM runs. */
  async status(): Promise<Required<Pick<InstanceStatus, 'state' | 'postCopy'>>> {
    // One query at a time: a query waits until QEMU responds again.
    this.#question ??= this.#ask().finally(() => {
      this.#question = undefined;
    });
    await Promise.race([this.#question, sleep(SILENT_MS)]);
    return { state: this.#isRunning ? 'running' : 'stopped', postCopy: this.#isWhole ? 'whole' : 'under-way' };
  }

  /**
   * Closes the connection, and waits for the source at another port.
   * @param fence keeps all but the paths away from the port
   * @returns the port
   * @throws TagalongError ORDER_REFUSED where QEMU does not, for example because all memory has arrived
   */
  async recover(mptcp: boolean, fence: (port: number) => Promise<void>): Promise<number> {
    try {
      return await listenAtFreePort(async (port) => {
        await fence(port);
        await this.#listen(port, mptcp);
      });
    } catch (error) {
      throw new TagalongError('ORDER_REFUSED', (error as Error).message);
    }
  }

  async #listen(port: number, mptcp: boolean): Promise<void> {
    const uri = `tcp:${ANY_ADDRESS}:${port}${mptcp ? ',mptcp' : ''}`;
    const recover = async () => {
      // QEMU may have closed it by itself.
      await this.#urgent.execute('migrate-pause').catch(() => {});
      await this.#urgent.execute('migrate-recover', { uri });
    };
    const isPassing = (error: unknown) => error instanceof QmpError && !isPortTaken(error) && !this.#isWhole;
    await retry(recover, { everyMs: 50, withinMs: CLOSE_MS, isPassing });
  }

  /** Closes the second monitor. */
  close(): void {
    this.#urgent.close();
  }

  async #ask(): Promise<void> {
    try {
      this.#isWhole ||= (await migrationStatus(this.#qmp)) === 'completed';
      this.#isRunning = await isRunning(this.#qmp);
    } catch {
      // A missing answer changes nothing; `isAlive` detects a dead QEMU.
    }
  }
}
