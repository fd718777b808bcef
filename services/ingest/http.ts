import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { answer, type HttpSurface } from '../runtime/http.ts';
import { registerLocationApis } from './apis/http.ts';
import { interruptionReader, locationReader, readSession, readVm, userReader } from './body.ts';
import type { Ingest } from './service.ts';

/**
 * The routes of ingest:
 *
 * - `POST /v1/locations`: `{user, lat, lon, atMs | t (seconds), rtts?}`, an array of them, or NDJSON. The default time
 *   is now. 202 with the receipt once the bus has them; 400 names the first invalid element, and nothing is published;
 *   503 while the backlog of the bus is too long.
 * - `POST /v1/interruptions`: `{vm, user, gapMs, atMs?, resets?, lostBytes?}`, a gap in a client's traffic, sent once it ends; in
 *   the same forms, with the same limits and answers, and 404 for an undeclared VM
 * - `PUT /v1/vms/:vm` `{home, spec, affinity?}`, 400 where there is no such site, or the affinity contradicts itself; `DELETE /v1/vms/:vm`
 * - `PUT /v1/vms/:vm/sessions/:user` `{weight?}`, `DELETE /v1/vms/:vm/sessions/:user`
 * - the location APIs of other standards: `apis/http.ts`
 */
export function registerIngest(
  surface: HttpSurface,
  options: { readonly ingest: Ingest; readonly clock: Clock; readonly config: Config },
): void {
  const { app, health } = surface;
  const { ingest, clock, config } = options;
  const pseudonymous = config.ingest.pseudonymKey !== undefined;
  const readLocations = locationReader(pseudonymous);
  const readUser = userReader(pseudonymous);
  const readInterruptions = interruptionReader(pseudonymous);
  registerLocationApis(surface, options);
  health('ingest', () => ingest.ready());

  app.post('/v1/locations', async ({ body, headers: { traceparent } }, reply) => {
    const receipt = await ingest.locations(readLocations(body, clock.now()), traceparent as string | undefined);
    return reply.code(202).send(receipt);
  });

  app.post('/v1/interruptions', async ({ body }, reply) => {
    const receipt = await ingest.interruptions(readInterruptions(body, clock.now()));
    return reply.code(202).send(receipt);
  });

  app.put<{ Params: { vm: string } }>('/v1/vms/:vm', async ({ params: { vm }, body }, reply) => {
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
  app.delete<{ Params: { vm: string } }>('/v1/vms/:vm', async ({ params: { vm } }, reply) => {
    await ingest.retireVm(vm);
    return reply.code(204).send();
  });

  app.put<{ Params: { vm: string; user: string } }>('/v1/vms/:vm/sessions/:user', async ({ params, body }, reply) => {
    const { weight = 1 } = readSession(body ?? {});
    await ingest.attach(params.vm, readUser(params.user), weight);
    return reply.code(204).send();
  });
  app.delete<{ Params: { vm: string; user: string } }>('/v1/vms/:vm/sessions/:user', async ({ params }, reply) => {
    await ingest.detach(params.vm, readUser(params.user));
    return reply.code(204).send();
  });
}
