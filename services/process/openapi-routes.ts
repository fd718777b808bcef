/** The descriptions of all HTTP routes, from which `openapi.ts` makes its document. */
import type { TSchema } from 'typebox';
import Type from 'typebox';
import { SiteReported } from '#shared/events/types.ts';
import { interruptionBody, SessionBody, VmBody } from '../ingest/body.ts';
import { AuditQuery, AuditView } from '../runtime/audit-http.ts';
import { CallerView } from '../runtime/caller-http.ts';
import { TokenBody, TokenView } from '../runtime/tokens-http.ts';
import { DeclareQuery, DrainBody, RemoveQuery, SiteBody, SiteDeclared, SiteList } from '../sites/http.ts';
import { cloudEvent, Geofencing, input, location, Mec013, many, Owntracks } from './openapi-bodies.ts';

/** The description of one route. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly tag:
    | 'locations'
    | 'location APIs of others'
    | 'VMs'
    | 'migrations'
    | 'sites'
    | 'tokens'
    | 'users'
    | 'dashboard'
    | 'health';
  readonly summary: string;
  /** The query parameters. Each is required unless its schema is optional. */
  readonly query?: Readonly<Record<string, TSchema>>;
  /** True: the request may have no body. */
  readonly bodyOptional?: true;
  /** The schemas of the body, by content type. */
  readonly body?: Readonly<Record<string, TSchema>>;
  /** The answers, by status. */
  readonly answers: Readonly<Record<string, string | { readonly says: string; readonly as: TSchema }>>;
}

const amount = Type.Integer({ minimum: 0 });
const Receipt = Type.Object({
  accepted: amount,
  events: amount,
  implausible: Type.Record(Type.String(), amount),
  unattached: amount,
  notTaken: Type.Optional(Type.Array(Type.Object({ index: amount, why: Type.String() }), { maxItems: 100 })),
});
const receipt = {
  says: 'How many positions were accepted, and why others were not. Placement may still refuse an accepted position as a jump',
  as: Receipt,
};
const Anything = Type.Object({}, { additionalProperties: true });
/** A schema as the JSON of a body. */
export const json = (schema: TSchema) => ({ 'application/json': schema });
/** JSON under all content types of CloudEvents. */
const anyJson = (schema: TSchema) => ({
  ...json(schema),
  'application/cloudevents+json': schema,
  'application/cloudevents-batch+json': schema,
});
const list = (schema: TSchema) => ({ ...json(many(schema)), 'application/x-ndjson': Type.String() });
const binary = Type.String({ format: 'binary' });
const UNCONFIRMED = 'The order empties a site with VMs, and does not name the site in confirm: CONFIRMATION_MISSING';
const Digits = Type.String({ pattern: '^[0-9]{1,15}$' });

/** All routes. @param pseudonymous true if ids of users become pseudonyms, so that they may be any text */
export const routesOf = (pseudonymous: boolean): readonly Route[] => [
  ...locationRoutes(pseudonymous),
  ...DECLARATIONS,
  ...PLACEMENT,
  ...MIGRATIONS,
  ...SITES,
  ...OPERATION,
  ...TOKENS,
  ...dashboardRoutes('/v1/dashboard', 'with users'),
  ...dashboardRoutes('/dashboard', 'without users unless the configuration shows them to everybody'),
  ...DASHBOARD,
  ...HEALTH,
];

/** Our own location API, and those of other standards. */
const locationRoutes = (pseudonymous: boolean): readonly Route[] => [
  {
    ...{ method: 'post', path: '/v1/locations', tag: 'locations' },
    summary: 'Report positions of users: one, several in an array, or one on each line',
    body: list(location(pseudonymous)),
    answers: { 202: receipt },
  },
  {
    ...{ method: 'post', path: '/v1/interruptions', tag: 'locations' },
    summary: 'Report gaps and lost connections in the traffic of a client with a VM',
    body: list(interruptionBody(pseudonymous)),
    answers: { 202: { says: 'How many reports were accepted', as: Anything } },
  },
  {
    ...{ method: 'post', path: '/v1/owntracks', tag: 'location APIs of others' },
    summary: 'Messages of OwnTracks in HTTP mode',
    body: json(Owntracks),
    answers: { 200: { says: 'An empty list: the phone has nothing to do', as: Type.Array(Anything) } },
  },
  {
    ...{ method: 'post', path: '/v1/mec013', tag: 'location APIs of others' },
    summary: 'Notifications of ETSI MEC 013, versions 2 and 3',
    body: json(Mec013),
    answers: { 204: 'Accepted', 404: 'The configuration has no position for the place: PLACE_UNKNOWN' },
  },
  {
    ...{ method: 'post', path: '/v1/camara/geofencing', tag: 'location APIs of others' },
    summary: 'Notifications of CAMARA geofencing subscriptions',
    body: anyJson(many(Geofencing)),
    answers: { 204: 'Accepted' },
  },
  {
    ...{ method: 'post', path: '/v1/gtfs-realtime', tag: 'location APIs of others' },
    summary: 'A feed of GTFS Realtime. Its vehicles are users',
    body: { 'application/x-protobuf': binary, 'application/protobuf': binary, 'application/octet-stream': binary },
    answers: { 202: receipt },
  },
  {
    ...{ method: 'post', path: '/v1/cloudevents', tag: 'location APIs of others' },
    summary: 'CloudEvents 1.0: location.reported.v1 with the data of /v1/locations, and events of CAMARA geofencing',
    body: anyJson(many(cloudEvent(pseudonymous))),
    answers: { 202: receipt },
  },
];

/** VMs and sessions. */
const DECLARATIONS: readonly Route[] = [
  {
    ...{ method: 'get', path: '/v1/vms/:vm', tag: 'VMs' },
    summary: 'The site of a VM. A device reads that of its own VM only',
    answers: { 200: { says: 'The site', as: Type.Object({ vm: Type.String(), site: Type.String() }) } },
  },
  {
    ...{ method: 'put', path: '/v1/vms/:vm', tag: 'VMs' },
    summary: 'Declare a VM, or change its declaration',
    body: json(input(VmBody)),
    answers: {
      204: 'Declared',
      400: 'The home, or a site of the affinity, is not a site: SITE_UNKNOWN',
      409: 'The VM already runs at another site: HOME_FIXED',
    },
  },
  { method: 'delete', path: '/v1/vms/:vm', tag: 'VMs', summary: 'Retire a VM', answers: { 204: 'Retired' } },
  {
    ...{ method: 'put', path: '/v1/vms/:vm/sessions/:user', tag: 'VMs' },
    summary: 'Attach a user to a VM, or change the weight of the user',
    body: json(SessionBody),
    bodyOptional: true,
    answers: { 204: 'Attached' },
  },
  {
    ...{ method: 'delete', path: '/v1/vms/:vm/sessions/:user', tag: 'VMs' },
    summary: 'Detach a user from a VM',
    answers: { 204: 'Detached' },
  },
];

/** Questions to placement, and orders to it. */
const PLACEMENT: readonly Route[] = [
  {
    ...{ method: 'get', path: '/v1/status', tag: 'VMs' },
    summary: 'All sites, and the VMs of this process',
    answers: { 200: { says: 'The sites and VMs', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/v1/stays', tag: 'sites' },
    summary: 'How long users stay at each site, where they come from and where they go',
    answers: { 200: { says: 'The sites, with stays learned from all users', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/v1/vms/:vm/explanation', tag: 'VMs' },
    summary: 'Explain why a VM is at its site',
    answers: { 200: { says: 'The candidates, with costs and filters', as: Anything } },
  },
  {
    ...{ method: 'post', path: '/v1/vms/:vm/moves', tag: 'VMs' },
    summary: 'Order the move of a VM. The policy cannot prevent it, but the filters can',
    body: json(Type.Object({ to: SiteReported.properties.site })),
    answers: { 202: { says: 'The move is decided', as: Anything }, 409: 'A filter refuses the site: MOVE_REFUSED' },
  },
];

const MIGRATIONS: readonly Route[] = [
  {
    ...{ method: 'get', path: '/v1/migrations', tag: 'migrations' },
    summary: 'The migrations under way, and whether this process is the leading migrator',
    answers: { 200: { says: 'The migrations', as: Anything } },
  },
  {
    ...{ method: 'delete', path: '/v1/migrations/:migration', tag: 'migrations' },
    summary: 'Cancel a migration that has not switched over',
    answers: {
      202: { says: 'The cancellation is ordered', as: Anything },
      409: 'The VM has switched over: MIGRATION_PAST_CANCEL',
    },
  },
];

const SITES: readonly Route[] = [
  {
    ...{ method: 'get', path: '/v1/sites', tag: 'sites' },
    summary: 'All sites, removed sites with the VMs that are stranded there, and warnings',
    answers: { 200: { says: 'The sites', as: SiteList } },
  },
  {
    ...{ method: 'put', path: '/v1/sites/:site', tag: 'sites', query: DeclareQuery.properties },
    summary: 'Declare a site, or change its declaration (leading migrator only)',
    body: json(input(SiteBody)),
    answers: { 200: { says: 'Declared, with warnings', as: SiteDeclared }, 428: UNCONFIRMED },
  },
  {
    ...{ method: 'delete', path: '/v1/sites/:site', tag: 'sites', query: RemoveQuery.properties },
    summary: 'Remove a site (leading migrator only)',
    answers: {
      204: 'Removed',
      409: 'The site has VMs and force is not true, or moves begin or end there: SITE_IN_USE',
      428: UNCONFIRMED,
    },
  },
  {
    ...{ method: 'post', path: '/v1/sites/:site/drain', tag: 'sites' },
    summary: 'Drain a site, so that all VMs leave it, or end its draining',
    body: json(DrainBody),
    answers: {
      202: { says: 'Ordered', as: Anything },
      409: 'No other site accepts its VMs: LAST_OPEN_SITE. "force": true drains it anyway',
      428: UNCONFIRMED,
    },
  },
];

/** The state of the whole installation. */
const OPERATION: readonly Route[] = [
  {
    ...{ method: 'get', path: '/v1/set-aside', tag: 'VMs' },
    summary: 'The records that this process has set aside because it cannot read or write them, with the reasons',
    answers: { 200: { says: 'The records', as: Anything } },
  },
  {
    ...{ method: 'put', path: '/v1/automation', tag: 'VMs' },
    summary:
      'Pause or resume automatic moves. VMs still leave draining and silent sites, and orders are still carried out',
    body: json(Type.Object({ paused: Type.Boolean() })),
    answers: { 202: { says: 'Stored', as: Anything } },
  },
];

/** The caller itself, and the tokens. */
const TOKENS: readonly Route[] = [
  {
    ...{ method: 'get', path: '/v1/audit', tag: 'tokens', query: AuditQuery.properties },
    summary:
      'The newest records of orders and refused requests, the oldest of them first; without sinceMs, those of a day',
    answers: { 200: { says: 'The records', as: AuditView } },
  },
  {
    ...{ method: 'get', path: '/v1/caller', tag: 'tokens' },
    summary: 'The name and the role of the caller',
    answers: { 200: { says: 'The caller', as: CallerView } },
  },
  {
    ...{ method: 'post', path: '/v1/tokens', tag: 'tokens' },
    summary: 'Issue a token with a role and an end. Only this answer contains it',
    body: json(TokenBody),
    answers: {
      201: { says: 'Issued', as: Type.Object({ ...TokenView.properties, token: Type.String() }) },
    },
  },
  {
    ...{ method: 'get', path: '/v1/tokens', tag: 'tokens' },
    summary: 'The issued tokens, without their secrets',
    answers: { 200: { says: 'The tokens', as: Type.Object({ tokens: many(TokenView) }) } },
  },
  {
    ...{ method: 'delete', path: '/v1/tokens/:id', tag: 'tokens' },
    summary: 'Revoke a token. All processes refuse it within two seconds',
    answers: { 204: 'Revoked', 404: 'No token has the id: TOKEN_UNKNOWN' },
  },
  {
    ...{ method: 'get', path: '/v1/users/:user/export', tag: 'users' },
    summary: 'Everything that is kept about a user, by place. A device exports its own user only',
    answers: { 200: { says: 'Sessions, tokens, records, events and messages', as: Anything } },
  },
  {
    ...{ method: 'delete', path: '/v1/users/:user', tag: 'users' },
    summary: 'Erase everything that is kept about a user. Repeat it where "complete" is false',
    answers: { 200: { says: 'What each place has removed, and what is left until when', as: Anything } },
  },
];

/** The state that the dashboard shows, under one of its two paths. @param whom what of it the path shows */
const dashboardRoutes = (base: string, whom: string): readonly Route[] => [
  {
    ...{ method: 'get', path: `${base}/live`, tag: 'dashboard' },
    summary: `The state that the dashboard shows, ${whom}: a picture, then its changes, one line of JSON each`,
    answers: {
      200: 'Lines until the client closes the connection',
      503: 'Too many pages are open: TOO_MANY_PAGES',
    },
  },
  {
    ...{ method: 'get', path: `${base}/past`, tag: 'dashboard', query: { atMs: Digits } },
    summary: `The picture of an instant of the last hour, ${whom}`,
    answers: { 200: { says: 'A picture', as: Anything } },
  },
];

const DASHBOARD: readonly Route[] = [
  {
    ...{ method: 'get', path: '/v1/dashboard/decisions/:decision/explanation', tag: 'dashboard' },
    summary: 'Explain a decision of the last hour. A viewer gets no figures that tell where users are',
    answers: { 200: { says: 'The explanation', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/dashboard/settings', tag: 'dashboard' },
    summary: 'The settings that a page loads first',
    answers: { 200: { says: 'The settings', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/dashboard/vms/:vm/explanation', tag: 'dashboard' },
    summary: 'Explain why a VM is at its site',
    answers: { 200: { says: 'The candidates, with costs and filters', as: Anything } },
  },
  {
    ...{ method: 'get', path: '/dashboard/decisions/:decision/explanation', tag: 'dashboard' },
    summary: 'Explain a decision of the last hour',
    answers: { 200: { says: 'The candidates at the time of the decision', as: Anything } },
  },
];

const HEALTH: readonly Route[] = [
  ...(['/healthz', '/readyz', '/healthz/:service', '/readyz/:service'] as const).map(
    (path): Route => ({
      ...{ method: 'get', path, tag: 'health' },
      summary: path.startsWith('/healthz') ? 'Whether the process runs' : 'Whether the process can work',
      answers: { 200: { says: 'Yes', as: Anything } },
    }),
  ),
  { method: 'get', path: '/metrics', tag: 'health', summary: 'Metrics for Prometheus', answers: { 200: 'Text' } },
  { method: 'get', path: '/openapi.json', tag: 'health', summary: 'This document', answers: { 200: 'OpenAPI 3.1' } },
];
