/**
 * The HTTP interface as an OpenAPI 3.1 document, served at `/openapi.json`. Bodies are the schemas that requests are checked
 * with. A test holds it against the routes that there are.
 */
import type { TSchema } from 'typebox';
import Type from 'typebox';
import type { Config } from '#shared/config/schema.ts';
import { MigrationAccepted, PlacementDecided, SiteReported } from '#shared/events/types.ts';
import { interruptionBody, SessionBody, userId, VmBody } from '../ingest/body.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { RemoveQuery, SiteBody, SiteDeclared, SiteList } from '../sites/http.ts';
import { cloudEvent, Geofencing, input, location, Mec013, many, Owntracks } from './openapi-bodies.ts';

/** One route, as people read it. */
interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly tag: 'locations' | 'location APIs of others' | 'VMs' | 'migrations' | 'sites' | 'dashboard' | 'health';
  readonly summary: string;
  /** Parameters after the question mark; required but for those whose schema is optional. */
  readonly query?: Readonly<Record<string, TSchema>>;
  /** True: it may be asked for without a body. */
  readonly bodyOptional?: true;
  /** By content type. */
  readonly body?: Readonly<Record<string, TSchema>>;
  /** What comes back, by status. */
  readonly answers: Readonly<Record<string, string | { readonly says: string; readonly as: TSchema }>>;
}

const VERSION = '1';
const amount = Type.Integer({ minimum: 0 });
const Receipt = Type.Object({
  accepted: amount,
  events: amount,
  implausible: Type.Record(Type.String(), amount),
  unattached: amount,
  notTaken: Type.Optional(Type.Array(Type.Object({ index: amount, why: Type.String() }), { maxItems: 100 })),
});
const receipt = {
  says: 'What became of the positions; of one that is accepted, placement may still not believe the jump',
  as: Receipt,
};
const Fault = Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String() }) });
const Anything = Type.Object({}, { additionalProperties: true });
const json = (schema: TSchema) => ({ 'application/json': schema });
/** JSON by any of the names that CloudEvents give it. */
const anyJson = (schema: TSchema) => ({
  ...json(schema),
  'application/cloudevents+json': schema,
  'application/cloudevents-batch+json': schema,
});
const list = (schema: TSchema) => ({ ...json(many(schema)), 'application/x-ndjson': Type.String() });
const binary = Type.String({ format: 'binary' });
const Digits = Type.String({ pattern: '^[0-9]{1,15}$' });
/** The parameters in paths, by their names there. */
const pathParameters = (pseudonymous: boolean): Readonly<Record<string, TSchema>> => ({
  vm: PlacementDecided.properties.vm,
  user: userId(pseudonymous),
  site: SiteReported.properties.site,
  migration: MigrationAccepted.properties.migration,
  decision: PlacementDecided.properties.decision,
  service: Type.String({ pattern: '^[a-z-]{1,32}$' }),
});

/** @param pseudonymous users' ids become pseudonyms, and may be any text */
const routesOf = (pseudonymous: boolean): readonly Route[] => [
  {
    ...{ method: 'post', path: '/v1/locations', tag: 'locations' },
    summary: 'Say where users are: one position, several, or one a line',
    body: list(location(pseudonymous)),
    answers: { 202: receipt },
  },
  {
    ...{ method: 'post', path: '/v1/interruptions', tag: 'locations' },
    summary: 'Say what a client saw go wrong in its traffic with a VM',
    body: list(interruptionBody(pseudonymous)),
    answers: { 202: { says: 'What became of them', as: Anything } },
  },
  {
    ...{ method: 'post', path: '/v1/owntracks', tag: 'location APIs of others' },
    summary: 'OwnTracks in HTTP mode',
    body: json(Owntracks),
    answers: { 200: { says: 'Nothing to be done by the phone', as: Type.Array(Anything) } },
  },
  {
    ...{ method: 'post', path: '/v1/mec013', tag: 'location APIs of others' },
    summary: 'Notifications of ETSI MEC 013, versions 2 and 3',
    body: json(Mec013),
    answers: { 204: 'Taken', 404: 'A place without a position: PLACE_UNKNOWN' },
  },
  {
    ...{ method: 'post', path: '/v1/camara/geofencing', tag: 'location APIs of others' },
    summary: 'Notifications of CAMARA geofencing subscriptions',
    body: anyJson(many(Geofencing)),
    answers: { 204: 'Taken' },
  },
  {
    ...{ method: 'post', path: '/v1/gtfs-realtime', tag: 'location APIs of others' },
    summary: 'A feed of GTFS Realtime; vehicles are users',
    body: { 'application/x-protobuf': binary, 'application/protobuf': binary, 'application/octet-stream': binary },
    answers: { 202: receipt },
  },
  {
    ...{ method: 'post', path: '/v1/cloudevents', tag: 'location APIs of others' },
    summary: 'CloudEvents 1.0: location.reported.v1 with the data of /v1/locations, and those of CAMARA geofencing',
    body: anyJson(many(cloudEvent(pseudonymous))),
    answers: { 202: receipt },
  },
  {
    ...{ method: 'put', path: '/v1/vms/:vm', tag: 'VMs' },
    summary: 'Declare a VM, or what has changed of it',
    body: json(input(VmBody)),
    answers: { 204: 'Declared', 400: 'No such home: SITE_UNKNOWN', 409: 'It is elsewhere already: HOME_FIXED' },
  },
  { method: 'delete', path: '/v1/vms/:vm', tag: 'VMs', summary: 'Retire a VM', answers: { 204: 'Retired' } },
  {
    ...{ method: 'put', path: '/v1/vms/:vm/sessions/:user', tag: 'VMs' },
    summary: 'Attach a user to a VM, or change the weight',
    body: json(SessionBody),
    bodyOptional: true,
    answers: { 204: 'Attached' },
  },
  {
    ...{ method: 'delete', path: '/v1/vms/:vm/sessions/:user', tag: 'VMs' },
    summary: 'Detach a user from a VM',
    answers: { 204: 'Detached' },
  },
  {
    ...{ method: 'get', path: '/v1/status', tag: 'VMs' },
    summary: 'All sites, and the VMs that this process holds',
    answers: { 200: { says: 'The state of things', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/v1/vms/:vm/explanation', tag: 'VMs' },
    summary: 'Why a VM is where it is',
    answers: { 200: { says: 'The candidates, with costs and filters', as: Anything } },
  },
  {
    ...{ method: 'post', path: '/v1/vms/:vm/moves', tag: 'VMs' },
    summary: 'Move a VM: past the policy, not past the filters',
    body: json(Type.Object({ to: SiteReported.properties.site })),
    answers: { 202: { says: 'Decided', as: Anything }, 409: 'A filter refuses it: MOVE_REFUSED' },
  },
  {
    ...{ method: 'get', path: '/v1/migrations', tag: 'migrations' },
    summary: 'Whether this process is the leader, and the migrations in progress',
    answers: { 200: { says: 'The migrations', as: Anything } },
  },
  {
    ...{ method: 'delete', path: '/v1/migrations/:migration', tag: 'migrations' },
    summary: 'Take a migration back, until it switches over',
    answers: { 202: { says: 'Asked for', as: Anything }, 409: 'Too late: MIGRATION_PAST_CANCEL' },
  },
  {
    ...{ method: 'get', path: '/v1/sites', tag: 'sites' },
    summary: 'The sites that are there, those that were removed with the VMs that are stranded there, and warnings',
    answers: { 200: { says: 'The sites', as: SiteList } },
  },
  {
    ...{ method: 'put', path: '/v1/sites/:site', tag: 'sites' },
    summary: 'Declare a site, or change its declaration (leading migrator only)',
    body: json(input(SiteBody)),
    answers: { 200: { says: 'Declared, with what is to be known of it', as: SiteDeclared } },
  },
  {
    ...{ method: 'delete', path: '/v1/sites/:site', tag: 'sites', query: RemoveQuery.properties },
    summary: 'Remove a site (leading migrator only)',
    answers: { 204: 'Removed', 409: 'It has VMs, and force is not true; or moves lead there or away: SITE_IN_USE' },
  },
  {
    ...{ method: 'post', path: '/v1/sites/:site/drain', tag: 'sites' },
    summary: 'Have all VMs leave a site, or no longer',
    body: json(Type.Object({ draining: Type.Boolean(), force: Type.Optional(Type.Boolean()) })),
    answers: {
      202: { says: 'Said', as: Anything },
      409: 'No other site could take its VMs: LAST_OPEN_SITE; "force" does it',
    },
  },
  {
    ...{ method: 'get', path: '/v1/set-aside', tag: 'VMs' },
    summary: 'The records that this process has set aside, because it cannot read or write them, and why',
    answers: { 200: { says: 'The records', as: Anything } },
  },
  {
    ...{ method: 'put', path: '/v1/automation', tag: 'VMs' },
    summary:
      'Pause automatic moves, or let them go on: homes that are lost are left, and orders followed, all the same',
    body: json(Type.Object({ paused: Type.Boolean() })),
    answers: { 202: { says: 'Said, and kept', as: Anything } },
  },
  ...(['/v1/dashboard', '/dashboard'] as const).flatMap((base): Route[] => {
    const whom = base === '/dashboard' ? 'without users, unless the configuration lets all see them' : 'with users';
    return [
      {
        ...{ method: 'get', path: `${base}/live`, tag: 'dashboard' },
        summary: `What the dashboard shows, ${whom}: a picture, then what changes, a line of JSON each`,
        answers: { 200: 'Lines as long as somebody reads them', 503: 'Too many pages are open: TOO_MANY_PAGES' },
      },
      {
        ...{ method: 'get', path: `${base}/past`, tag: 'dashboard', query: { atMs: Digits } },
        summary: `The picture of an instant of the last hour, ${whom}`,
        answers: { 200: { says: 'A picture', as: Anything } },
      },
    ];
  }),
  {
    ...{ method: 'get', path: '/dashboard/settings', tag: 'dashboard' },
    summary: 'What a page has to know before it asks for anything else',
    answers: { 200: { says: 'The settings', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/dashboard/vms/:vm/explanation', tag: 'dashboard' },
    summary: 'Why a VM is where it is',
    answers: { 200: { says: 'The candidates, with costs and filters', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/dashboard/decisions/:decision/explanation', tag: 'dashboard' },
    summary: 'Why something was decided in the last hour',
    answers: { 200: { says: 'The candidates as they were then', as: Anything } },
  },
  ...(['/healthz', '/readyz', '/healthz/:service', '/readyz/:service'] as const).map(
    (path): Route => ({
      ...{ method: 'get', path, tag: 'health' },
      summary: path.startsWith('/healthz') ? 'The process runs' : 'It takes work',
      answers: { 200: { says: 'Yes', as: Anything } },
    }),
  ),
  { method: 'get', path: '/metrics', tag: 'health', summary: 'Metrics for Prometheus', answers: { 200: 'Text' } },
  { method: 'get', path: '/openapi.json', tag: 'health', summary: 'This document', answers: { 200: 'OpenAPI 3.1' } },
];

/**
 * The document of an installation.
 * @param config users' ids may be any text where they become pseudonyms
 */
export function openapi({ ingest }: Pick<Config, 'ingest'>): object {
  const pseudonymous = ingest.pseudonymKey !== undefined;
  const inPath = pathParameters(pseudonymous);
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routesOf(pseudonymous)) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route, inPath) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tagalong',
      version: VERSION,
      description: 'Virtual machines that follow their users. A process answers what its own services have of this.',
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'http.token' },
        basic: { type: 'http', scheme: 'basic', description: 'any name, and http.token as the password' },
      },
      responses: { Fault: { description: 'What is wrong, by a stable code', content: contentOf(json(Fault)) } },
    },
  };
}

/** Adds `GET /openapi.json`, which is open. */
export function registerOpenapi({ app }: HttpSurface, config: Pick<Config, 'ingest'>): void {
  const document = openapi(config);
  app.get('/openapi.json', async () => document);
}

function operationOf(
  { method, path, tag, summary, query = {}, body, bodyOptional, answers }: Route,
  inPath: Readonly<Record<string, TSchema>>,
): object {
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', schema: inPath[name!], required: true })),
    ...Object.entries(query).map(([name, schema]) => ({
      name,
      in: 'query',
      schema,
      required: !Type.IsOptional(schema),
    })),
  ];
  return {
    operationId: `${method}${path.replaceAll(/[/:.-]+(\w)/g, (_, first: string) => first.toUpperCase())}`,
    tags: [tag],
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: bodyOptional !== true, content: contentOf(body) } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, responseOf(answer)])),
      default: { $ref: '#/components/responses/Fault' },
    },
    security: path.startsWith('/v1/') ? [{ bearer: [] }, { basic: [] }] : [],
  };
}

function responseOf(answer: Route['answers'][string]): object {
  if (typeof answer === 'string') return { description: answer };
  return { description: answer.says, content: contentOf(json(answer.as)) };
}

function contentOf(schemas: Readonly<Record<string, TSchema>>): object {
  return Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema }]));
}
