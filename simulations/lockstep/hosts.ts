/**
 * The machines of the followers. The conductor simulates them by its own clock. So the machines and their moves outlive a migrator
 * that is killed, as real ones do.
 */

import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Report } from '#shared/hypervisor/hypervisor.ts';
import type { MachineOrder, Question } from './messages.ts';

/** Machines that several processes share. One of these is the leader: the last one that called `setLeader(true)`. */
export interface SharedHosts {
  /** Carries out an order of the leader, and ignores the orders of other processes. */
  order(by: string, order: MachineOrder): void;
  /** @returns the answer to the question, as JSON can represent it */
  answer(by: string, question: Question): unknown;
  /** The reports since the last call, for the leader; undefined if there is no leader or no report. */
  takeReports(): { readonly to: string; readonly reports: readonly Report[] } | undefined;
  /** True: `takeReports` would return reports. */
  readonly hasReports: boolean;
  /** A process has ended. Reports that it did not receive are lost; its successor asks the machines instead. */
  processEnded(name: string): void;
}

/** @param clock the conductor's */
export function sharedHosts(config: Config, clock: Clock): SharedHosts {
  const { hypervisor, hosts } = simulatedMachines(config, clock);
  let leader: string | undefined;
  let reports: Report[] = [];
  const removeLeader = () => {
    leader = undefined;
    reports = [];
  };
  hypervisor.listen((report) => {
    if (leader !== undefined) reports.push(report);
  });
  return {
    order(by, order) {
      if (by !== leader) return;
      if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
      else hypervisor[order.kind](order.move);
    },
    answer(by, question) {
      if (question.what === 'setLeader') {
        if (question.isLeader) {
          removeLeader();
          leader = by;
        } else if (by === leader) removeLeader();
      } else if (by !== leader) return undefined;
      else if (question.what === 'vmsAt') return hosts.vmsAt(question.site);
      else if (question.what === 'startVm') hosts.startVm(question.vm, question.site);
      else hosts.remove(question.vm);
      return undefined;
    },
    takeReports() {
      const [to, taken] = [leader, reports];
      reports = [];
      return to === undefined || taken.length === 0 ? undefined : { to, reports: taken };
    },
    get hasReports() {
      return reports.length > 0;
    },
    processEnded(name) {
      if (name === leader) removeLeader();
    },
  };
}
