/** Checks that a schema cannot express: whether the keys of a configuration fit each other, and whether the names in it exist. */
import { isIP } from 'node:net';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { SessionAttached } from '../events/types.ts';
import { isHostAddress } from '../hypervisor/qemu/protocol.ts';
import { LIVE_NAMES, policyNameFault, splitName } from '../policy/rules/named.ts';
import { affinityFaults } from './affinity.ts';
import { type Fault, NAME } from './faults.ts';
import { isLoopback, isTrustedAddress } from './loopback.ts';
import { nearest, unknownSite } from './nearest.ts';
import { phoneAccountFaults } from './phone-account.ts';
import { relationFaults } from './relations.ts';
import type { Config, SiteConfig } from './schema.ts';
import { serverFaults, serverUrl } from './server.ts';
import { asksForTokens } from './sign-in.ts';
import { weakSecretFaults } from './weak-secrets.ts';

const NOT_HTTP = 'is no address on the web; give http://… or https://…';
const IN_THE_CLEAR = 'would show the token beside it to everybody on the way; give https://…, or leave out the token';
const isHttp = (url: string) => /^https?:$/.test(URL.parse(url)?.protocol ?? '');
const userName = Compile(SessionAttached.properties.user as TSchema);

/** The faults between keys. @param config fits its schema */
export function crossFaults(config: Config): Fault[] {
  return [
    ...httpFaults(config),
    ...dashboardFaults(config),
    ...serverFaults(['bus'], config.bus),
    ...serverFaults(['store'], config.store),
    ...policyFaults(config),
    ...limitFaults(config),
    ...siteFaults(config),
    ...vmFaults(config),
    ...agentFaults(config),
    ...neighbourFaults(config),
    ...weakSecretFaults(config),
  ];
}

function* httpFaults({ http }: Config): Generator<Fault> {
  if (!isTrustedAddress(http.oidc?.issuer ?? 'https://nobody')) {
    const message = 'is not to be trusted on its way here; give https://…, or http:// on this host';
    yield { path: ['http', 'oidc', 'issuer'], message };
  }
  yield* tokenFaults(http);
  yield* proxyFaults(http);
  if (!asksForTokens(http) && !isLoopback(http.host)) {
    yield {
      path: ['http', 'host'],
      message: `${http.host} can be reached from other machines and there is no http.token; set one (16 characters or more) or listen on 127.0.0.1`,
    };
  }
}

function* tokenFaults({ tokens }: Config['http']): Generator<Fault> {
  yield* repeats(
    ['http', 'tokens'],
    'name',
    tokens.map(({ name }) => name),
  );
  for (const [i, { name, role, user }] of tokens.entries()) {
    const path = ['http', 'tokens', `${i}`, 'user'];
    if (role === 'device' && user === undefined)
      yield { path, message: `is missing; give the user of the device ${name}` };
    if (role !== 'device' && user !== undefined) {
      yield { path, message: `does not fit the role ${role}; remove it, or give the role device` };
    }
  }
}

function* proxyFaults({ trustedProxies }: Config['http']): Generator<Fault> {
  for (const [i, proxy] of trustedProxies.entries()) {
    const [address = '', bits = '0', ...rest] = proxy.split('/');
    const most = isIP(address) === 4 ? 32 : 128;
    if (isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most && rest.length === 0) continue;
    yield {
      path: ['http', 'trustedProxies', `${i}`],
      message: `is ${JSON.stringify(proxy)}; give an address, or a range as 10.0.0.0/8`,
    };
  }
}

function* dashboardFaults({ dashboard: { tilesUrl, services } }: Config): Generator<Fault> {
  const tiles = tilesUrl?.replaceAll(/\{[szxyr]\}/g, '1');
  if (tilesUrl !== undefined && !(isWebAddress(tiles!) && /\{z\}/.test(tilesUrl))) {
    const message = `is ${JSON.stringify(tilesUrl)}; give https://HOST/{z}/{x}/{y}.png`;
    yield { path: ['dashboard', 'tilesUrl'], message };
  }
  for (const [i, service] of services.entries()) {
    if (isWebAddress(service)) continue;
    yield { path: ['dashboard', 'services', `${i}`], message: 'is no address; give http://HOST:PORT' };
  }
}

/** True for an http or https address without a user: everybody can see the address, so it must not contain a password. */
function isWebAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && !/[;,\s'"]/.test(text);
}

function* policyFaults({ policy: { name } }: Config): Generator<Fault> {
  const fault = policyNameFault(name);
  if (fault === undefined) return;
  const near = nearest(splitName(name)[0], LIVE_NAMES);
  const message = near === undefined || near === name ? fault : `${fault}; did you mean ${near}?`;
  yield { path: ['policy', 'name'], message, code: 'POLICY_UNKNOWN' };
}

function* limitFaults({ policy, heartbeatMs }: Config): Generator<Fault> {
  if (policy.siteSilentMs <= heartbeatMs) {
    yield {
      path: ['policy', 'siteSilentMs'],
      message: `is ${policy.siteSilentMs}, so every site would count as dead between two heartbeats; give more than heartbeatMs (${heartbeatMs})`,
    };
  }
  if (policy.maxBackOffMs < policy.backOffMs) {
    yield {
      path: ['policy', 'maxBackOffMs'],
      message: `is ${policy.maxBackOffMs}; give at least policy.backOffMs (${policy.backOffMs})`,
    };
  }
}

function* siteFaults({ sites }: Config): Generator<Fault> {
  yield* repeats(
    ['sites'],
    'site',
    sites.map(({ site }) => site),
  );
  for (const [i, site] of sites.entries()) yield* uplinkFaults(['sites', `${i}`], site);
}

function* uplinkFaults(path: readonly string[], { uplinks }: SiteConfig): Generator<Fault> {
  const providers = uplinks.map(({ provider }) => provider);
  yield* repeats([...path, 'uplinks'], 'provider', providers);
  for (const [i, { address }] of uplinks.entries()) {
    if (address === undefined || isHostAddress(address)) continue;
    yield {
      path: [...path, 'uplinks', `${i}`, 'address'],
      message: `"${address}" is not the IP address of one host; give that of the site's host in this provider's network`,
    };
  }
}

/** The faults of one site: keys that do not fit each other or the installation's hypervisor. @param site fits its schema */
export function faultsOfSite(hypervisor: Config['hypervisor'], site: SiteConfig): Fault[] {
  return [...uplinkFaults([], site), ...agentAddressFaults([], hypervisor, site)];
}

function* vmFaults({ sites, vms, ingest }: Config): Generator<Fault> {
  yield* repeats(
    ['vms'],
    'vm',
    vms.map(({ vm }) => vm),
  );
  const known = sites.map(({ site }) => site);
  for (const { path, message } of relationFaults(vms, new Map(sites.map(({ site, slots }) => [site, slots])))) {
    yield { path, message };
  }
  for (const [i, { home, affinity, sessions }] of vms.entries()) {
    if (!known.includes(home)) yield { path: ['vms', `${i}`, 'home'], message: unknownSite(home, known) };
    for (const { path, message } of affinityFaults(affinity ?? {}, home, known)) {
      yield { path: ['vms', `${i}`, ...path], message };
    }
    const users = sessions.map(({ user }) => user);
    yield* repeats(['vms', `${i}`, 'sessions'], 'user', users);
    if (ingest.pseudonymKey !== undefined) continue;
    // Without pseudonyms the bus carries the ids themselves, so they must fit the schema of the events.
    const unfit = users.findIndex((user) => !userName.Check(user));
    if (unfit >= 0) {
      const path = ['vms', `${i}`, 'sessions', `${unfit}`, 'user'];
      yield { path, message: `does not fit on the bus as it is; set ingest.pseudonymKey or give ${NAME}` };
    }
  }
}

/** The faults of other systems' entries: those that send positions, and those that receive moves. */
function* neighbourFaults(config: Config): Generator<Fault> {
  const { ingest, webhooks, tracing } = config;
  const { mqtt, places, pseudonymKey, formerPseudonymKeys } = ingest;
  const { otlpUrl, token } = tracing;
  yield* phoneAccountFaults(config);
  if (mqtt !== undefined) {
    if (serverUrl(mqtt.url)?.kind === 'nats') yield* serverFaults(['ingest', 'mqtt'], mqtt);
    else yield { path: ['ingest', 'mqtt', 'url'], message: 'is not of a NATS server; give nats://HOST:PORT' };
  }
  if (formerPseudonymKeys.length > 0 && (pseudonymKey === undefined || formerPseudonymKeys.includes(pseudonymKey))) {
    const message = 'need another, present key; set ingest.pseudonymKey to a new one';
    yield { path: ['ingest', 'formerPseudonymKeys'], message };
  }
  yield* repeats(
    ['ingest', 'places'],
    'place',
    places.map(({ place }) => place),
  );
  yield* repeats(
    ['webhooks'],
    'name',
    webhooks.map(({ name }) => name),
  );
  for (const [i, { url, token }] of webhooks.entries()) {
    const path = ['webhooks', `${i}`, 'url'];
    if (!isHttp(url)) yield { path, message: NOT_HTTP };
    else if (token !== undefined && !isTrustedAddress(url)) yield { path, message: IN_THE_CLEAR };
  }
  if (otlpUrl === undefined) return;
  const path = ['tracing', 'otlpUrl'];
  if (!isHttp(otlpUrl)) yield { path, message: NOT_HTTP };
  else if (token !== undefined && !isTrustedAddress(otlpUrl)) yield { path, message: IN_THE_CLEAR };
}

/** The migrator reaches QEMU through the agents of the sites. It needs their addresses, and a certificate that they accept. */
function* agentFaults({ hypervisor, sites }: Config): Generator<Fault> {
  if (hypervisor.kind !== 'qemu') return;
  if (hypervisor.tls === undefined) {
    yield { path: ['hypervisor', 'tls'], message: 'is missing; give ca, cert and key for hypervisor.kind qemu' };
  }
  for (const [i, site] of sites.entries()) yield* agentAddressFaults(['sites', `${i}`], hypervisor, site);
}

function* agentAddressFaults(
  path: readonly string[],
  { kind }: Config['hypervisor'],
  { site, agent }: SiteConfig,
): Generator<Fault> {
  if (kind !== 'qemu') return;
  const at = [...path, 'agent'];
  if (agent === undefined) {
    yield { path: at, message: `is missing; give the address of ${site}'s agent` };
  } else if (!/^unix:\/./.test(agent) && !/^https:\/\/[^/]+\/?$/.test(agent)) {
    yield { path: at, message: `is ${JSON.stringify(agent)}; give https://host:port or unix:/path` };
  }
}

function* repeats(path: readonly string[], key: string, names: readonly string[]): Generator<Fault> {
  const first = new Map<string, number>();
  for (const [i, name] of names.entries()) {
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, i);
    else yield { path: [...path, `${i}`, key], message: `repeats ${[...path, earlier].join('.')}; give each once` };
  }
}
