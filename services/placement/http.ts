import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { TagalongError } from '#shared/errors.ts';
import { Name } from '#shared/events/bounds.ts';
import { orderedBy } from '../runtime/audit.ts';
import { explainedFor } from '../runtime/explained-for.ts';
import type { HttpSurface } from '../runtime/http.ts';
import type { PlacementService } from './service.ts';

const isSiteName = Compile(Name as TSchema);

/**
 * The routes of placement:
 * - `GET /v1/status`: all sites and VMs
 * - `GET /v1/stays`: how long users stay at each site, where they come from, where they go
 * - `GET /v1/vms/:vm/explanation`: why it is where it is; a viewer gets no figures that tell where users are
 * - `POST /v1/vms/:vm/moves` with `{"to": SITE}`: moves it, past the policy but not past the filters
 * - `PUT /v1/automation` with `{"paused": true}`: VMs move only where their home is lost or an operator says so
 */
export function registerPlacement({ app, health }: HttpSurface, placement: PlacementService): void {
  health('placement', () => placement.ready());
  app.get('/v1/status', { config: { access: 'read' } }, async () => placement.status());
  app.get('/v1/stays', { config: { access: 'read' } }, async () => ({ sites: placement.stays() }));
  app.get<{ Params: { vm: string } }>(
    '/v1/vms/:vm/explanation',
    { config: { access: 'read' } },
    async ({ params, caller }) => explainedFor(caller.role, await placement.explain(params.vm)),
  );
  app.post<{ Params: { vm: string }; Body: unknown }>(
    '/v1/vms/:vm/moves',
    { config: { access: 'operate' } },
    async ({ params, body, caller }, reply) => {
      const to = (body as { to?: unknown } | null)?.to;
      if (!isSiteName.Check(to)) throw new TagalongError('EVENT_INVALID', 'to: must be the name of a site');
      await placement.order(params.vm, to as string, orderedBy(caller));
      return reply.code(202).send({ vm: params.vm, to });
    },
  );
  app.put<{ Body: unknown }>('/v1/automation', { config: { access: 'operate' } }, async ({ body, caller }, reply) => {
    const paused = (body as { paused?: unknown } | null)?.paused;
    if (typeof paused !== 'boolean') throw new TagalongError('EVENT_INVALID', 'paused: must be true or false');
    await placement.pause(paused, orderedBy(caller));
    return reply.code(202).send({ paused });
  });
}
