/** Writes the first and the last line of a process's log. */
import type { Config } from '#shared/config/schema.ts';
import { serverUrl } from '#shared/config/server.ts';
import type { Log } from '#shared/log.ts';
import { VERSION } from '#shared/version.ts';

/** Above this number the line counts the sites instead of naming them. */
const MOST_NAMED = 20;

/** Prints the name of the process and its configuration, without secrets. @param what the service, or `up` */
export function logStart(log: Log, what: string, config: Config): void {
  const { sites, vms, bus, store, policy, hypervisor } = config;
  const settings = {
    policy: policy.name,
    hypervisor: hypervisor.kind,
    sites: sites.length > MOST_NAMED ? sites.length : sites.map(({ site }) => site),
    vms: vms.length,
    bus: whereabouts(bus),
    store: whereabouts(store),
  };
  log.info({ service: what, version: VERSION, node: process.versions.node, pid: process.pid, ...settings }, 'started');
}

/** Warns of files of a configuration that contain secrets, and that every user of this host may read. */
export function warnOfExposed(log: Log, files: readonly string[]): void {
  if (files.length === 0) return;
  log.warn({ files }, `every user of this host may read these secrets: chmod o-r ${files.join(' ')}`);
}

/** Logs the address of the dashboard, and what to sign in with. The token itself is not logged. */
export function logDashboard(log: Log, url: string, { http: { token, tokens, oidc } }: Config): void {
  const means = [
    token && 'http.token of the configuration',
    tokens.length > 0 && 'a token of http.tokens',
    oidc && 'an access token of the provider http.oidc',
  ];
  const given = means.filter(Boolean).join(', or ');
  const what = given === '' ? 'whoever opens it can give orders' : `to give orders there, sign in with ${given}`;
  log.info({ dashboard: url }, `the dashboard answers: ${what}`);
}

/** Logs that a process has ended in order. */
export function logEnd(log: Log, what: string): void {
  log.info({ service: what }, 'ended in order');
}

function whereabouts({ url, prefix }: Config['bus'] | Config['store']): string {
  const { kind, hosts } = serverUrl(url)!;
  return kind === 'memory' ? kind : `${kind}://${hosts.join(',')} ${prefix}`;
}
