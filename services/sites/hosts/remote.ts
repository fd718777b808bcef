/** Hosts whose VMs are real: QEMU behind the agents of the sites. */

import type { Config, SiteConfig } from '#shared/config/schema.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import { type AgentClient, agentClient } from '#shared/hypervisor/qemu/client.ts';
import { qemuHypervisor } from '#shared/hypervisor/qemu/driver.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';
import { readCredentials } from './credentials.ts';
import { handedMachines } from './handed.ts';
import { SiteOrders } from './orders.ts';
import type { RemoteHosts } from './remote-hosts.ts';
import { watchCertificates } from './renewal.ts';

/**
 * Hosts and hypervisor of real VMs.
 * @param config with `hypervisor.kind: qemu`
 * @throws TagalongError CONFIG_UNREADABLE where a certificate cannot be read
 */
export async function qemuMachines(config: Config, store: Store, log: Log): Promise<Machines> {
  const { tls, announce, joinMs, stallMs, postCopy } = config.hypervisor;
  let credentials = await readCredentials(tls!);
  const agents = new Map<string, AgentClient>();
  const sites: SiteConfig[] = [];
  const forget = ({ site }: SiteConfig) => {
    const at = sites.findIndex((other) => other.site === site);
    return at < 0 ? undefined : sites.splice(at, 1)[0];
  };
  const uplinksOf = (name: string) => sites.find(({ site }) => site === name)?.uplinks ?? [];
  const declare = (site: SiteConfig) => {
    const before = forget(site);
    sites.push(site);
    if (before?.agent === site.agent) return;
    agents.get(site.site)?.close();
    agents.set(
      site.site,
      agentClient(site.site, site.agent!, credentials, () => uplinksOf(site.site)),
    );
  };
  const withdraw = (site: SiteConfig) => {
    forget(site);
    agents.get(site.site)?.close();
    agents.delete(site.site);
  };
  for (const site of config.sites) declare(site);
  const unwatch = watchCertificates(tls!, serviceLog(log, 'agent'), (renewed) => {
    credentials = renewed;
    for (const agent of agents.values()) agent.renew(renewed);
  });
  const { maxRounds, maxPauseMs } = config.move;
  const rules = { announce, joinMs, stallMs, postCopy, maxRounds, maxPauseMs };
  const hypervisor = qemuHypervisor({ agents, sites, rules, log });
  const machines = {
    hypervisor,
    hosts: { ...remoteHosts(agents, config, log), declare, withdraw },
    close() {
      unwatch();
      hypervisor.close();
      for (const agent of agents.values()) agent.close();
    },
  };
  const remembers = !config.store.url.startsWith('memory:');
  return handedMachines(machines, { store, log, remembers, sites: () => [...agents.keys()] });
}

function remoteHosts(
  agents: ReadonlyMap<string, AgentClient>,
  config: Config,
  parent: Log,
): Omit<RemoteHosts, 'declare' | 'withdraw'> {
  const log = serviceLog(parent, 'agent');
  const orders = new SiteOrders(log);
  const silent = new Set<string>();
  const machineOf = (name: string) => config.vms.find(({ vm }) => vm === name)?.machine ?? config.hypervisor.machine;
  return {
    async instancesAt(site) {
      try {
        const { instances } = await agents.get(site)!.status();
        if (silent.delete(site)) log.info({ site }, 'its agent answers again');
        orders.answers(site);
        return instances;
      } catch (err) {
        if (!silent.has(site)) log.warn({ site, err }, 'its agent does not answer');
        silent.add(site);
        return undefined;
      }
    },
    async startVm(vm, site, spec) {
      const agent = agents.get(site);
      if (agent === undefined) return log.error({ vm, site }, 'a VM could not be started: no such site has an agent');
      const start = () => agent.order(vm, 'start', { machine: { ...machineOf(vm), spec } });
      await orders.give(site, vm, 'a VM could not be started; declare it again', start);
    },
    async remove(vm, gone) {
      const removals = [...agents].map(([site, agent]) => {
        const removal = async () => {
          await agent.order(vm, 'remove', {});
          await gone(site);
        };
        return orders.give(site, vm, 'a VM could not be removed', removal);
      });
      await Promise.all(removals);
    },
    forget: () => orders.forget(),
  };
}
