import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { answer, type HttpSurface } from '../runtime/http.ts';
import { registerLocationApis } from './apis/http.ts';
import { interruptionReader, locationReader, readSession, readVm, userReader } from './body.ts';
import { createNames, type Names } from './names.ts';
import { ownUserCheck } from './own-user.ts';
import type { Ingest } from './service.ts';

/**
 * The routes of ingest:
 *
 * - `POST /v1/locations`: `{user, lat, lon, atMs | t (seconds), rtts?}`, an array of them, or NDJSON. The default time
 *   is now. 202 with the receipt once the bus has them; 400 names the first invalid element, and nothing is published;
 *   503 while the backlog of the bus is too long.
 * - `POST /v1/interruptions`: `{vm, user, gapMs, atMs?, resets?, lostBytes?}`, a gap in a client's traffic, sent once it ends; in
 *   the same forms, with the same limits and answers, and 404 for an undeclared VM. In both a device gives its own user, else 403
 * - `GET /v1/vms/:vm`: the site of a VM; a device reads that of its own VM only
 * - `PUT /v1/vms/:vm` `{home, spec, affinity?}`, 400 where there is no such site, or the affinity contradicts itself; `DELETE /v1/vms/:vm`
 * - `PUT /v1/vms/:vm/sessions/:user` `{weight?}`, `DELETE /v1/vms/:vm/sessions/:user`
 * - the location APIs of other standards: `apis/http.ts`
 */
export function registerIngest(
  surface: HttpSurface,
  options: {
    readonly ingest: Ingest;
    readonly clock: Clock;
    readonly config: Config;
    /** @default made of `config`; device tokens do not move then */
    readonly names?: Names;
  },
): void {
  const { app, health } = surface;
  const { ingest, clock, config } = options;
  const pseudonymous = config.ingest.pseudonymKey !== undefined;
  const readLocations = locationReader(pseudonymous);
  const readUser = userReader(pseudonymous);
  const readInterruptions = interruptionReader(pseudonymous);
  const refuseOthers = ownUserCheck(options.names ?? createNames(config.ingest));
  registerLocationApis(surface, { ...options, refuseOthers });
  health('ingest', () => ingest.ready());
  const administer = { config: { access: 'administer' } } as const;

  app.get<{ Params: { vm: string } }>(
    '/v1/vms/:vm',
    { config: { access: 'signed-in' } },
    async ({ params, caller }) => {
      const { vm } = params;
      // A device must not learn of other VMs, not even that they exist.
      return { vm, site: await ingest.siteOf(vm, caller.role === 'device' ? caller.user : undefined) };
    },
  );

  app.post('/v1/locations', { config: { access: 'report' } }, async (request, reply) => {
    const list = readLocations(request.body, clock.now());
    await refuseOthers(request, list);
    const receipt = await ingest.locations(list, request.headers.traceparent as string | undefined);
    return reply.code(202).send(receipt);
  });

  app.post('/v1/interruptions', { config: { access: 'report' } }, async (request, reply) => {
    const list = readInterruptions(request.body, clock.now());
    await refuseOthers(request, list);
    const receipt = await ingest.interruptions(list);
    return reply.code(202).send(receipt);
  });

  app.put<{ Params: { vm: string } }>('/v1/vms/:vm', administer, async ({ params: { vm }, body }, reply) => {
    const { home, spec, affinity } = readVm(body);
    try {
      await ingest.declareVm(vm, home, spec, { affinity });
    } catch (error) {
      // The body names the unknown site, not the path, so 404 would mislead.
      if (!(error instanceof TagalongError) || error.code !== 'SITE_UNKNOWN') throw error;
      return answer(reply, 400, error.code, error.message);
    }
    return reply.code(204).send();
  });
  app.delete<{ Params: { vm: string } }>('/v1/vms/:vm', administer, async ({ params: { vm } }, reply) => {
    await ingest.retireVm(vm);
    return reply.code(204).send();
  });

  app.put<{ Params: { vm: string; user: string } }>(
    '/v1/vms/:vm/sessions/:user',
    administer,
    async ({ params, body }, reply) => {
      const { weight = 1 } = readSession(body ?? {});
      await ingest.attach(params.vm, readUser(params.user), weight);
      return reply.code(204).send();
    },
  );
  app.delete<{ Params: { vm: string; user: string } }>(
    '/v1/vms/:vm/sessions/:user',
    administer,
    async ({ params }, reply) => {
      await ingest.detach(params.vm, readUser(params.user));
      return reply.code(204).send();
    },
  );
}
