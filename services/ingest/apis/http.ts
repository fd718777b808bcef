import type { FastifyRequest } from 'fastify';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { HttpSurface } from '../../runtime/http.ts';
import { parseJson, unfit } from '../body.ts';
import type { Receipt } from '../locations.ts';
import type { OwnUserCheck } from '../own-user.ts';
import { MAX_EVENTS_PER_REQUEST } from '../quotas.ts';
import type { Ingest } from '../service.ts';
import { fromBinary, readCloudEvents } from './cloudevents.ts';
import { readGtfsRealtime } from './gtfs-realtime.ts';
import { readMec013 } from './mec013.ts';
import { readOwntracks } from './owntracks.ts';
import { createPlaces } from './places.ts';
import { type Reported, reportedReader } from './report.ts';

/**
 * The location APIs of other standards, each at its own path and with the answer that its standard defines:
 *
 * - `POST /v1/owntracks`: OwnTracks in HTTP mode; 200 and an empty list
 * - `POST /v1/mec013`: notifications of ETSI MEC 013; 204
 * - `POST /v1/camara/geofencing`: notifications of CAMARA geofencing subscriptions; 204
 * - `POST /v1/gtfs-realtime`: a feed of GTFS Realtime; 202 and the receipt
 * - `POST /v1/cloudevents`: CloudEvents of the types above and of our own; 202 and the receipt
 *
 * 400 names the invalid field; 404 with PLACE_UNKNOWN names an area without a position. In both cases nothing is published.
 */
export function registerLocationApis(
  { app }: HttpSurface,
  options: {
    readonly ingest: Ingest;
    readonly clock: Clock;
    readonly config: Config;
    readonly refuseOthers: OwnUserCheck;
  },
): void {
  const { ingest, clock, config, refuseOthers } = options;
  const report = { config: { access: 'report' } } as const;
  const places = createPlaces(config);
  const pseudonymous = config.ingest.pseudonymKey !== undefined;
  const few = reportedReader(pseudonymous);
  // The sender of a feed cannot divide it into several requests.
  const feed = reportedReader(pseudonymous, MAX_EVENTS_PER_REQUEST);
  const take = async (reported: readonly Reported[], request: FastifyRequest, check = few): Promise<Receipt> => {
    const list = check(reported, clock.now());
    await refuseOthers(request, list);
    return ingest.locations(list, request.headers.traceparent as string | undefined);
  };

  const json = async (_request: unknown, text: string | Buffer) => parseJson(text.toString());
  const types = ['application/cloudevents+json', 'application/cloudevents-batch+json'];
  app.addContentTypeParser(types, { parseAs: 'string' }, json);
  app.addContentTypeParser(
    ['application/x-protobuf', 'application/protobuf', 'application/octet-stream'],
    { parseAs: 'buffer' },
    async (_request: unknown, body: unknown) => body,
  );

  app.post('/v1/owntracks', report, async (request, reply) => {
    await take(readOwntracks(request.body, { user: owntracksUser(request) }), request);
    return reply.send([]);
  });
  app.post('/v1/mec013', report, async (request, reply) => {
    await take(readMec013(request.body, places), request);
    return reply.code(204).send();
  });
  app.post('/v1/camara/geofencing', report, async (request, reply) => {
    await take(readCloudEvents(request.body), request);
    return reply.code(204).send();
  });
  app.post('/v1/gtfs-realtime', report, async (request, reply) => {
    const { body } = request;
    if (!Buffer.isBuffer(body))
      throw unfit('the body is not a protocol buffer; send a FeedMessage with content-type application/x-protobuf');
    return reply.code(202).send(await take(readGtfsRealtime(body), request, feed));
  });
  app.post('/v1/cloudevents', report, async (request, reply) => {
    const { headers, body } = request;
    const binary = headers['ce-specversion'] !== undefined;
    return reply.code(202).send(await take(readCloudEvents(binary ? fromBinary(headers, body) : body), request));
  });
}

/** The user that the app sends: in a header, in the query, or as the user name of basic authentication. */
function owntracksUser({ headers, query, basicName }: FastifyRequest): string | undefined {
  const { u } = query as { readonly u?: unknown };
  return [headers['x-limit-u'], u, basicName].find((name) => typeof name === 'string' && name !== '') as
    | string
    | undefined;
}
