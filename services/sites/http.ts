/** The routes of the sites: list, declare, remove. */
import Type from 'typebox';
import { faultsOfSite } from '#shared/config/checks.ts';
import { type Config, type SiteConfig, SiteInput } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { VmRetired } from '#shared/events/index.ts';
import type { Hosts } from '#shared/hypervisor/hosts.ts';
import { bodyReader, unfit } from '../ingest/body.ts';
import { orderedBy } from '../runtime/audit.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { apartWarnings } from './apart.ts';
import { refuseUnconfirmed } from './confirmation.ts';
import type { SiteRegistry } from './registry.ts';
import type { SiteReporter } from './reporter.ts';

const { site: siteName, ...declared } = SiteInput.properties;
/** The body of `PUT /v1/sites/:site`. */
export const SiteBody = Type.Object(declared, { additionalProperties: false });
/** The query of `DELETE /v1/sites/:site`. */
export const RemoveQuery = Type.Object(
  {
    force: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
    confirm: Type.Optional(siteName),
  },
  { additionalProperties: false },
);
/** The query of `PUT /v1/sites/:site`. */
export const DeclareQuery = Type.Object({ confirm: Type.Optional(siteName) }, { additionalProperties: false });
/** The body of `POST /v1/sites/:site/drain`. */
export const DrainBody = Type.Object(
  { draining: Type.Boolean(), force: Type.Optional(Type.Boolean()), confirm: Type.Optional(siteName) },
  { additionalProperties: false },
);
/** The answer to `PUT /v1/sites/:site`. */
export const SiteDeclared = Type.Object({ site: siteName, warnings: Type.Array(Type.String()) });
const By = Type.Union([Type.Literal('configuration'), Type.Literal('operator')]);
/** The answer to `GET /v1/sites`. */
export const SiteList = Type.Object({
  sites: Type.Array(Type.Object({ ...SiteInput.properties, by: By })),
  removed: Type.Array(
    Type.Object({
      site: siteName,
      by: By,
      atMs: VmRetired.properties.atMs,
      stranded: Type.Array(VmRetired.properties.vm),
    }),
  ),
  warnings: Type.Array(Type.String()),
});
const readSite = bodyReader(SiteBody);
const readName = bodyReader(siteName);
const readQuery = bodyReader(RemoveQuery);
const readDeclareQuery = bodyReader(DeclareQuery);
const readDrain = bodyReader(DrainBody);

/**
 * Adds the routes of the sites; every migrator has them. Only the leader changes sites; the others answer HELD_ELSEWHERE.
 *
 * - `GET /v1/sites`: the present sites with whether they drain now, the removed ones with the VMs that are stranded there, and warnings
 * - `PUT /v1/sites/:site` `{lat, lon, slots, uplinks, draining?, agent?}`: declares a new site, or changes one; 200 with warnings
 * - `DELETE /v1/sites/:site`: removes it; 409 where VMs are there, unless `?force=true` strands them
 * - `POST /v1/sites/:site/drain` `{draining, force?, confirm?}`: drains it, or ends the drain; `force` for the last site that is open.
 *   Every migrator accepts it
 *
 * An order that empties a site with VMs must name the site in `confirm`, a member of the body of `drain` and a parameter of the query
 * elsewhere; otherwise 428. A migrator that is not the leader does not know the VMs, so there every drain has to name its site.
 */
export function registerSites(
  { app }: HttpSurface,
  options: {
    readonly sites: SiteRegistry;
    readonly siteReporter: Pick<SiteReporter, 'beat' | 'isDraining' | 'drain'>;
    readonly hosts: Pick<Hosts, 'vmsAt'>;
    readonly config: Pick<Config, 'hypervisor'>;
    readonly isOnDuty: () => boolean;
  },
): void {
  const { sites, siteReporter, hosts, config, isOnDuty } = options;
  const refuseStandby = () => {
    if (!isOnDuty())
      throw new TagalongError(
        'HELD_ELSEWHERE',
        'this migrator is not the leader; send the request to the migrator that is',
      );
  };

  /** The VMs at a site; undefined where they are not known. Only the leader has the records of the VMs. */
  const vmsAt = async (site: string) => {
    const vms = isOnDuty() ? await hosts.vmsAt(site) : undefined;
    // The lead may be lost meanwhile, and the records with it.
    return isOnDuty() ? vms : undefined;
  };

  /** Refuses an order that begins a drain and is not confirmed. @param next the site as it will be declared */
  const refuseUnconfirmedDrain = async (next: SiteConfig, confirm: string | undefined) => {
    const present = sites.list().find(({ site }) => site === next.site);
    if (present === undefined || (await siteReporter.isDraining(present))) return;
    refuseUnconfirmed(next.site, await vmsAt(next.site), 'will leave it', confirm);
  };

  app.get('/v1/sites', { config: { access: 'read' } }, async () => {
    const records = await sites.onRecord();
    const there = records.filter(({ removed }) => !removed);
    const present = there.map(async ({ site, by }) => ({ ...site, draining: await siteReporter.isDraining(site), by }));
    return {
      sites: (await Promise.all(present)).sort(byName),
      removed: records
        .filter(({ removed }) => removed)
        .map(({ site: { site }, by, atMs, stranded = [] }) => ({ site, by, atMs, stranded }))
        .sort(byName),
      warnings: apartWarnings(there.map(({ site }) => site)),
    };
  });

  app.put<{ Params: { site: string }; Body: unknown; Querystring: unknown }>(
    '/v1/sites/:site',
    { config: { access: 'administer' } },
    async ({ params, body, query }) => {
      const { confirm } = readDeclareQuery(query);
      const site = { site: readName(params.site), ...readSite(body) };
      const [fault] = faultsOfSite(config.hypervisor, site);
      if (fault !== undefined) throw unfit(`${fault.path.join('.')}: ${fault.message}`);
      refuseStandby();
      if (await siteReporter.isDraining(site)) await refuseUnconfirmedDrain(site, confirm);
      const warnings = await sites.declare(site);
      await siteReporter.beat();
      return { site: site.site, warnings };
    },
  );

  app.delete<{ Params: { site: string }; Querystring: unknown }>(
    '/v1/sites/:site',
    { config: { access: 'administer' } },
    async ({ params, query }, reply) => {
      const { force, confirm } = readQuery(query);
      refuseStandby();
      const isKnown = sites.list().some(({ site }) => site === params.site);
      if (force === 'true' && isKnown) {
        refuseUnconfirmed(params.site, await vmsAt(params.site), 'will be stranded', confirm);
      }
      await sites.remove(params.site, force === 'true');
      return reply.code(204).send();
    },
  );

  app.post<{ Params: { site: string }; Body: unknown }>(
    '/v1/sites/:site/drain',
    { config: { access: 'operate' } },
    async ({ params, body, caller }, reply) => {
      const { draining, force, confirm } = readDrain(body);
      const site = sites.list().find((one) => one.site === params.site);
      if (draining && site !== undefined) await refuseUnconfirmedDrain(site, confirm);
      await siteReporter.drain(params.site, draining, force, orderedBy(caller));
      return reply.code(202).send({ site: params.site, draining });
    },
  );
}

function byName(a: { readonly site: string }, b: { readonly site: string }): number {
  return a.site < b.site ? -1 : 1;
}
