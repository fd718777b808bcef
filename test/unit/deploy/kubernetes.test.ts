/** The output of kustomize for deploy/kubernetes fits the schemas of Kubernetes, and its parts fit together. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Model } from '@kubernetes-models/base';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Namespace, ResourceQuota, Secret, Service } from 'kubernetes-models/v1';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { freshSecret, SECRET_FILES } from '#deploy/cli/run/fresh-secrets.ts';
import { PROCESSES } from '#services/process/modules.ts';
import { parseConfig } from '#shared/config/load.ts';
import { check, onChecker } from '../../servers/checkers.ts';

const KINDS = {
  ...{ ConfigMap, Deployment, Namespace, NetworkPolicy, PodDisruptionBudget, ResourceQuota, Secret, Service },
  StatefulSet,
};

const ROOT = new URL('../../../', import.meta.url).pathname;

interface Workload {
  kind: keyof typeof KINDS;
  metadata: { name: string; namespace?: string };
  spec: { template: { spec: { containers: Container[]; volumes: unknown[] } }; replicas: number };
  data: Record<string, string>;
}
interface Container {
  args: string[];
  ports: { name: string; containerPort: number }[];
  resources: object;
  securityContext: object;
  [probe: string]: unknown;
}

/**
 * Wraps a value so that it notes the keys that are read. A schema reads each key that it knows, and all keys if it accepts any. A key
 * that is not read is misspelt, or at the wrong place. @param unread gets the paths of the keys, and loses those that are read
 */
function watched(value: unknown, at: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const key of Object.keys(value)) unread.add(`${at}.${key}`);
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'string') unread.delete(`${at}.${key}`);
      return watched(Reflect.get(target, key), `${at}.${String(key)}`, unread);
    },
  });
}

function faultsOf(resource: Workload): string[] {
  const kind = KINDS[resource.kind] as unknown as { new (data: object): Model<object> } | undefined;
  if (kind === undefined) return [`${resource.kind}: no schema`];
  const unread = new Set<string>();
  // The constructor would copy the value.
  const model = Object.assign(new kind({}), watched(resource, resource.kind, unread));
  try {
    model.validate();
  } catch (error) {
    return [(error as Error).message];
  }
  return [...unread];
}

onChecker('kustomize', 'deploy/kubernetes', () => {
  let resources: Workload[];
  const named = (kind: string, name: string) =>
    resources.find((one) => one.kind === kind && one.metadata.name.startsWith(name))!;
  const runs = (service: string) => named('Deployment', service) ?? named('StatefulSet', service);
  /** A copy of the manifests with the secrets that `tagalong init --secrets` writes. */
  const copy = mkdtempSync(join(tmpdir(), 'tagalong-kubernetes-'));
  afterAll(() => rmSync(copy, { recursive: true }));
  beforeAll(() => {
    for (const folder of ['kubernetes', 'nats'])
      cpSync(`${ROOT}deploy/${folder}`, join(copy, folder), { recursive: true });
    for (const name of Object.values(SECRET_FILES)) writeFileSync(join(copy, 'kubernetes', name), freshSecret());
    resources = parseAllDocuments(check('kustomize', ['build', join(copy, 'kubernetes')])).map((document) =>
      document.toJS(),
    );
    // Kustomize breaks long values into lines, which the schema refuses.
    for (const { kind, data } of resources) {
      if (kind === 'Secret') for (const key of Object.keys(data)) data[key] = data[key]!.replaceAll('\n', '');
    }
  });

  test('fits the schemas of Kubernetes, key by key', () => {
    expect(resources.length).toBeGreaterThan(20);
    for (const resource of resources) expect(faultsOf(resource), resource.metadata.name).toEqual([]);
  });

  test('a wrong value and a misspelt key are faults', () => {
    const deployment = named('Deployment', 'ingest');
    const many = structuredClone(deployment);
    (many.spec as { replicas: unknown }).replicas = 'two';
    expect(faultsOf(many)).toEqual([expect.stringContaining('replicas must be integer')]);
    const misspelt = structuredClone(deployment);
    misspelt.spec.template.spec.containers[0]!.readynessProbe = { httpGet: { port: 1 } };
    expect(faultsOf(misspelt)).toEqual(['Deployment.spec.template.spec.containers.0.readynessProbe']);
  });

  test('each service runs with probes, limits and no rights, and has a Service of its name', () => {
    for (const service of PROCESSES) {
      const { containers } = runs(service).spec.template.spec;
      expect(containers).toHaveLength(1);
      const [container] = containers as [Container];
      expect(container.args[0]).toBe(service);
      expect(container.readinessProbe).toMatchObject({ httpGet: { path: '/readyz', port: 'http' } });
      expect(container.livenessProbe).toMatchObject({ httpGet: { path: '/healthz', port: 'http' } });
      expect(container.resources).toMatchObject({
        requests: { cpu: expect.anything() },
        limits: { memory: expect.anything() },
      });
      expect(container.securityContext).toMatchObject({
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const { volumes } = runs(service).spec.template.spec;
      expect(volumes).toContainEqual({ name: 'login', secret: { secretName: `login-${service}` } });
      expect(named('Service', service)).toBeDefined();
    }
    expect(runs('placement').spec.replicas).toBe(2);
    expect(runs('migrator').spec.replicas).toBe(2);
  });

  test('the configuration is valid, and names the deployed NATS servers', () => {
    const { data } = named('Secret', 'tagalong');
    const mounted = mkdtempSync(join(copy, 'mounted-'));
    for (const [name, text] of Object.entries(data)) writeFileSync(join(mounted, name), Buffer.from(text, 'base64'));
    const config = parseConfig(Buffer.from(data['tagalong.yaml']!, 'base64').toString(), 'the secret', mounted);
    expect(config.http.host).toBe('0.0.0.0');
    const { replicas } = named('StatefulSet', 'nats').spec;
    const hosts = Array.from({ length: replicas }, (_, i) => `nats-${i}.nats:4222`);
    expect(config.bus).toMatchObject({ url: `nats://${hosts.join()}`, replicas });
    expect(config.store).toMatchObject({ url: config.bus.url, replicas });
    expect(config.http.port).toBe(8080);
    expect(named('ConfigMap', 'nats').data['cluster.conf']).toContain('jetstream');
    expect(named('ConfigMap', 'nats').data['accounts.conf']).toContain('TAGALONG');
  });

  test('a network policy denies all traffic by default', () => {
    expect(named('NetworkPolicy', 'nobody').spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    for (const { kind, metadata } of resources) if (kind !== 'Namespace') expect(metadata.namespace).toBe('tagalong');
  });

  test('no policy admits every namespace or every address, except to the agents of the sites', () => {
    const policies = resources.filter(({ kind }) => kind === 'NetworkPolicy') as unknown as Policy[];
    expect(policies.length).toBeGreaterThan(8);
    const open = policies.flatMap(({ metadata, spec: { ingress = [], egress = [] } }) => {
      const peers = [...ingress.map(({ from }) => from), ...egress.map(({ to }) => to)];
      const isOpen = peers.some((some) => some === undefined || some.some(admitsEveryNamespace));
      return isOpen ? [metadata.name] : [];
    });
    expect(open).toEqual(['agents']);
  });

  test('the quota has room for all processes, and no Service opens a port to other networks', () => {
    const { hard } = (named('ResourceQuota', 'tagalong') as unknown as { spec: { hard: Record<string, string> } }).spec;
    const replicas = resources.reduce((sum, { spec }) => sum + (spec?.template ? spec.replicas : 0), 0);
    expect(replicas).toBeGreaterThan(8);
    expect(Number(hard.pods)).toBeGreaterThanOrEqual(2 * replicas);
    expect(hard).toMatchObject({ 'services.loadbalancers': '0', 'services.nodeports': '0' });
  });
});

interface Peer {
  readonly namespaceSelector?: { readonly matchLabels?: object };
  readonly podSelector?: object;
}
interface Policy {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly ingress?: { readonly from?: Peer[] }[]; readonly egress?: { readonly to?: Peer[] }[] };
}

const admitsEveryNamespace = ({ namespaceSelector }: Peer) =>
  namespaceSelector !== undefined && namespaceSelector.matchLabels === undefined;
