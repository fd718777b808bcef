/**
 * The machines of processes that follow a conductor: simulated beside its clock, so that they and their moves outlive a
 * migrator that is killed, as real ones do.
 */

import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Report } from '#shared/hypervisor/hypervisor.ts';
import type { MachineOrder, Question } from './wire.ts';

/** Machines under the orders of one of several processes: the leader, which is the last one to take duty. */
export interface SharedHosts {
  /** Carries out an order of the leader, and ignores those of other processes. */
  order(by: string, order: MachineOrder): void;
  /** @returns what the question asks for, as JSON can say it */
  answer(by: string, question: Question): unknown;
  /** The reports since the last call, for the leader; undefined where there is no leader or no report. */
  takeReports(): { readonly to: string; readonly reports: readonly Report[] } | undefined;
  /** True: `takeReports` would give something. */
  readonly reporting: boolean;
  /** A process has ended. Reports that it did not get are lost; its successor asks the machines instead. */
  gone(name: string): void;
}

/** @param clock the conductor's */
export function sharedHosts(config: Config, clock: Clock): SharedHosts {
  const { hypervisor, hosts } = simulatedMachines(config, clock);
  let onDuty: string | undefined;
  let reports: Report[] = [];
  const relieve = () => {
    onDuty = undefined;
    reports = [];
  };
  hypervisor.listen((report) => {
    if (onDuty !== undefined) reports.push(report);
  });
  return {
    order(by, order) {
      if (by !== onDuty) return;
      if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
      else hypervisor[order.kind](order.move);
    },
    answer(by, question) {
      if (question.what === 'duty') {
        if (question.on) {
          relieve();
          onDuty = by;
        } else if (by === onDuty) relieve();
      } else if (by !== onDuty) return undefined;
      else if (question.what === 'vmsAt') return hosts.vmsAt(question.site);
      else if (question.what === 'startVm') hosts.startVm(question.vm, question.site);
      else hosts.remove(question.vm);
      return undefined;
    },
    takeReports() {
      const [to, taken] = [onDuty, reports];
      reports = [];
      return to === undefined || taken.length === 0 ? undefined : { to, reports: taken };
    },
    get reporting() {
      return reports.length > 0;
    },
    gone(name) {
      if (name === onDuty) relieve();
    },
  };
}
