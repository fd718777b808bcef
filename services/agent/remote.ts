/** Hosts whose VMs are real: QEMU behind the agents of the sites. */
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type AgentClient, agentClient } from '#shared/hypervisor/qemu/client.ts';
import { qemuHypervisor } from '#shared/hypervisor/qemu/driver.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { Machines } from '../migrator/mover.ts';
import type { Hosts } from './agents.ts';
import { readCredentials } from './credentials.ts';

/**
 * Everything that runs VMs, real.
 * @param config one whose `hypervisor.kind` is qemu
 * @throws TagalongError CONFIG_UNREADABLE where a certificate cannot be read
 */
export async function qemuMachines(config: Config, log: Log): Promise<Machines> {
  const { tls, announce, joinMs, stallMs, postCopy } = config.hypervisor;
  const credentials = await readCredentials(tls!);
  const agents = new Map(config.sites.map(({ site, agent }) => [site, agentClient(site, agent!, credentials)]));
  const { maxRounds, maxPauseMs } = config.move;
  const rules = { announce, joinMs, stallMs, postCopy, maxRounds, maxPauseMs };
  const hypervisor = qemuHypervisor({ agents, sites: config.sites, rules });
  return {
    hypervisor,
    hosts: remoteHosts(agents, config, log),
    // What runs where is the agents' to know.
    async duty() {},
    close() {
      hypervisor.close();
      for (const agent of agents.values()) agent.close();
    },
  };
}

function remoteHosts(agents: ReadonlyMap<string, AgentClient>, config: Config, parent: Log): Hosts {
  const log = serviceLog(parent, 'agent');
  const silent = new Set<string>();
  const machineOf = (name: string) => config.vms.find(({ vm }) => vm === name)?.machine ?? config.hypervisor.machine;
  /** Where a VM has an instance that is not another site's; rejects where one of the sites cannot be asked. */
  const whereabouts = async (vm: string) => {
    const answers = await Promise.all(
      [...agents.values()].map(async (agent) => [agent, await agent.instance(vm)] as const),
    );
    return answers.filter(([, { instance }]) => instance !== undefined);
  };
  return {
    async vmsAt(site) {
      try {
        const { instances } = await agents.get(site)!.status();
        if (silent.delete(site)) log.info({ site }, 'its agent answers again');
        return instances.filter(({ state }) => state === 'running' || state === 'stopped').map(({ vm }) => vm);
      } catch (err) {
        if (!silent.has(site)) log.warn({ site, err }, 'its agent does not answer');
        silent.add(site);
        return undefined;
      }
    },
    async place(vm, site, spec) {
      try {
        const agent = agents.get(site);
        if (agent === undefined) throw new TagalongError('SITE_UNKNOWN', `no site "${site}" has an agent`);
        // Not unless every site denies that it has it: it must not run twice. What died at its home is started again.
        const found = await whereabouts(vm);
        const elsewhere = found.some(([{ site: other }, { instance }]) => other !== site || instance!.state !== 'dead');
        if (!elsewhere) await agent.order(vm, 'start', { machine: { ...machineOf(vm), spec } });
      } catch (err) {
        log.error({ vm, site, err }, 'a VM could not be started; declare it again');
      }
    },
    async remove(vm) {
      for (const agent of agents.values()) {
        await agent
          .order(vm, 'remove', {})
          .catch((err) => log.error({ vm, site: agent.site, err }, 'a VM could not be removed'));
      }
    },
  };
}
