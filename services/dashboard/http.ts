/** The routes of the pages, their files and their requests. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '#shared/config/schema.ts';
import { asksForTokens } from '#shared/config/sign-in.ts';
import { TagalongError } from '#shared/errors.ts';
import { coarse, withoutNames } from '#shared/policy/decide/coarse.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import { mayUse } from '#shared/roles.ts';
import { explainedFor } from '../runtime/explained-for.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { ASSET_URLS, asset, IMPORT_MAP_HASH, page } from './assets.ts';
import type { Record } from './record.ts';
import { type Opened, textOf, type Viewers } from './viewers.ts';
import type { PageSettings } from './wire.ts';

/** The dependencies of the routes. */
export interface DashboardRoutes {
  readonly record: Record;
  readonly viewers: Viewers;
  readonly now: () => number;
  readonly config: Pick<Config, 'http' | 'dashboard'>;
  /** Explains why a VM is at its site. @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE */
  readonly explain: (vm: string) => Promise<Explained>;
}

/**
 * Adds the routes:
 * - `GET /`, `/follow-me`, `/assets/…`: the pages and their files
 * - `GET /dashboard/settings`: {@link PageSettings}
 * - `GET /dashboard/live`: lines of `wire.ts`, as long as the page is open; `/dashboard/past?atMs=`: one picture of that instant
 * - `GET /v1/dashboard/live`, `/v1/dashboard/past`: the same with users, for operators and admins
 * - `GET /dashboard/vms/:vm/explanation`, `/dashboard/decisions/:decision/explanation`, `/v1/dashboard/decisions/:decision/explanation`
 *
 * Routes outside of /v1 change nothing. They show users, and figures that tell where users are, only if the configuration allows it; and
 * no names of operators where people have to sign in.
 */
export function registerDashboard(surface: HttpSurface, routes: DashboardRoutes): void {
  const { http, dashboard } = routes.config;
  const signIn = asksForTokens(http);
  const usersForAll = !signIn || dashboard.users === 'everybody';
  registerPages(surface, routes.config);
  registerStates(surface, routes, ({ caller }) => ({
    users: usersForAll || mayUse(caller?.role, 'operate'),
    // Names of operators are for people who have signed in.
    names: !signIn || caller !== undefined,
  }));
  registerExplanations(surface, routes, (explained) => {
    const shown = usersForAll ? explained : coarse(explained);
    return signIn ? withoutNames(shown) : shown;
  });
}

const OPEN = { config: { access: 'open' } } as const;
const READ = { config: { access: 'read' } } as const;

/** The pages, their files and their settings. */
function registerPages({ app }: HttpSurface, { http, dashboard }: DashboardRoutes['config']): void {
  const headers = pageHeaders(dashboard.tilesUrl);
  const sendPage = (name: 'index' | 'follow-me') => async (_: FastifyRequest, reply: FastifyReply) =>
    reply
      .headers(headers)
      .type('text/html; charset=utf-8')
      .send(await page(name));
  app.get('/', OPEN, sendPage('index'));
  app.get('/follow-me', OPEN, sendPage('follow-me'));
  for (const url of ASSET_URLS) app.get(url, OPEN, (request, reply) => sendAsset(url, request, reply));
  app.get('/dashboard/settings', OPEN, async (): Promise<PageSettings> => {
    const { tilesUrl = null, tilesAttribution = '' } = dashboard;
    return { signIn: asksForTokens(http), tilesUrl, tilesAttribution };
  });
}

/** The present state as a stream, and the state at an instant of the last hour. */
function registerStates(
  { app }: HttpSurface,
  { record, viewers, now }: DashboardRoutes,
  sightOf: (request: FastifyRequest) => Pick<Opened, 'users' | 'names'>,
): void {
  const live = async (request: FastifyRequest, reply: FastifyReply) => {
    const { caller, ip } = request;
    reply.hijack();
    const { raw } = reply;
    raw.setHeader('content-type', 'application/x-ndjson');
    raw.setHeader('cache-control', 'no-store');
    raw.setHeader('x-content-type-options', 'nosniff');
    const opened = {
      ...sightOf(request),
      by: caller === undefined || caller.isShared ? ip : caller.name,
      hasSignedIn: caller !== undefined,
    };
    if (viewers.add(raw, opened)) {
      endWithToken(request, raw);
      return raw.flushHeaders();
    }
    raw.statusCode = 503;
    raw.setHeader('content-type', 'application/json');
    raw.end(JSON.stringify({ error: { code: 'TOO_MANY_PAGES', message: 'too many pages are open; close one' } }));
  };
  const past = async (request: FastifyRequest, reply: FastifyReply) => {
    const { atMs } = request.query as { atMs?: string };
    if (atMs === undefined || !/^\d{1,15}$/.test(atMs)) {
      throw new TagalongError('EVENT_INVALID', 'atMs: must be milliseconds since the Unix epoch');
    }
    const picture = record.past(Number(atMs), now());
    return reply
      .header('cache-control', 'no-store')
      .type('application/json')
      .send(textOf(picture, sightOf(request)));
  };
  app.get('/dashboard/live', OPEN, live);
  app.get('/v1/dashboard/live', READ, live);
  app.get('/dashboard/past', OPEN, past);
  app.get('/v1/dashboard/past', READ, past);
  // A live stream does not end by itself, so the server could not close without this.
  app.addHook('preClose', async () => viewers.close());
}

/** Explanations of VMs and decisions. @param forAll leaves out the figures that not everybody may see */
function registerExplanations(
  { app }: HttpSurface,
  { record, config, explain }: DashboardRoutes,
  forAll: (explained: Explained) => object,
): void {
  // A dashboard alone asks the other services for it, with a token of its own. Nobody may use up the limit of that token.
  const few = {
    config: { access: 'open', rateLimit: { max: Math.ceil(config.http.requestsPerMinute / 10) } },
  } as const;
  app.get<{ Params: { vm: string } }>('/dashboard/vms/:vm/explanation', few, async ({ params }) =>
    forAll(await explain(params.vm)),
  );
  const decided = ({ decision }: { readonly decision: string }) => {
    const explanation = record.explanation(decision);
    if (explanation !== undefined) return explanation;
    throw new TagalongError(
      'MIGRATION_UNKNOWN',
      `no decision "${decision}" is known; the dashboard shows those of the last hour`,
    );
  };
  const path = '/dashboard/decisions/:decision/explanation';
  app.get<{ Params: { decision: string } }>(path, OPEN, async ({ params }) => forAll(decided(params)));
  app.get<{ Params: { decision: string } }>(`/v1${path}`, READ, async ({ params, caller }) =>
    explainedFor(caller.role, decided(params)),
  );
}

/** How often the token of an open stream is checked again. */
const CHECK_MS = 2_000;

/**
 * Ends a stream once its token has expired or was revoked. A failed check proves nothing, so the stream goes on. A viewer that does not
 * read the end until the next check is disconnected.
 */
function endWithToken({ isStillValid }: FastifyRequest, raw: ServerResponse): void {
  if (isStillValid === undefined) return;
  const timer = setInterval(async () => {
    if (raw.writableEnded) raw.destroy();
    else if (!(await isStillValid().catch(() => true))) raw.end();
  }, CHECK_MS);
  raw.once('close', () => clearInterval(timer));
}

async function sendAsset(url: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { type, etag, plain, gzipped } = await asset(url);
  reply.headers({ etag, 'cache-control': 'no-cache', vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  reply.type(type);
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(plain);
  return reply.header('content-encoding', 'gzip').send(gzipped);
}

/** The headers of a page: it may load only files of this process and map tiles, and no other page may frame it. */
function pageHeaders(tilesUrl: string | undefined) {
  const tiles =
    tilesUrl === undefined
      ? ''
      : ` ${tilesUrl
          .replace(/^(https?:\/\/)\{s\}\./, '$1*.')
          .split('/', 3)
          .join('/')}`;
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${IMPORT_MAP_HASH}`,
    "style-src 'self'",
    `img-src 'self' data:${tiles}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'permissions-policy': 'geolocation=(self)',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
  };
}
