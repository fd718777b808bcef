/** The routes of the pages, their files and their requests. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '#shared/config/schema.ts';
import { asksForTokens } from '#shared/config/sign-in.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { ASSET_URLS, asset, IMPORT_MAP_HASH, page } from './assets.ts';
import type { Record } from './record.ts';
import { textOf, type Viewers } from './viewers.ts';
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
 * - `GET /v1/dashboard/live`, `/v1/dashboard/past`: the same with users, for requests with the token
 * - `GET /dashboard/vms/:vm/explanation`, `/dashboard/decisions/:decision/explanation`: an explanation with its candidates
 *
 * Routes outside of /v1 change nothing, and show positions of users only if the configuration allows it.
 */
export function registerDashboard({ app }: HttpSurface, routes: DashboardRoutes): void {
  const { record, viewers, now, config, explain } = routes;
  const signIn = asksForTokens(config.http);
  const usersForAll = !signIn || config.dashboard.users === 'everybody';
  const open = { config: { access: 'open' } } as const;
  const headers = pageHeaders(config.dashboard.tilesUrl);

  const sendPage = (name: 'index' | 'follow-me') => async (_: FastifyRequest, reply: FastifyReply) =>
    reply
      .headers(headers)
      .type('text/html; charset=utf-8')
      .send(await page(name));
  app.get('/', open, sendPage('index'));
  app.get('/follow-me', open, sendPage('follow-me'));
  for (const url of ASSET_URLS) app.get(url, open, (request, reply) => sendAsset(url, request, reply));

  app.get('/dashboard/settings', open, async (): Promise<PageSettings> => {
    const { tilesUrl = null, tilesAttribution = '' } = config.dashboard;
    return { signIn, tilesUrl, tilesAttribution };
  });

  const live = (users: boolean) => async (_: FastifyRequest, reply: FastifyReply) => {
    reply.hijack();
    const { raw } = reply;
    raw.setHeader('content-type', 'application/x-ndjson');
    raw.setHeader('cache-control', 'no-store');
    if (viewers.add(raw, users)) return raw.flushHeaders();
    raw.statusCode = 503;
    raw.setHeader('content-type', 'application/json');
    raw.end(JSON.stringify({ error: { code: 'TOO_MANY_PAGES', message: 'too many pages are open; close one' } }));
  };
  const past = (users: boolean) => async (request: FastifyRequest, reply: FastifyReply) => {
    const { atMs } = request.query as { atMs?: string };
    if (atMs === undefined || !/^\d{1,15}$/.test(atMs)) {
      throw new TagalongError('EVENT_INVALID', 'atMs: must be milliseconds since the Unix epoch');
    }
    const picture = record.past(Number(atMs), now());
    return reply.header('cache-control', 'no-store').type('application/json').send(textOf(picture, users));
  };
  app.get('/dashboard/live', open, live(usersForAll));
  app.get('/v1/dashboard/live', { config: { access: 'read' } }, live(true));
  app.get('/dashboard/past', open, past(usersForAll));
  app.get('/v1/dashboard/past', { config: { access: 'read' } }, past(true));
  // A live stream does not end by itself, so the server could not close without this.
  app.addHook('preClose', async () => viewers.close());

  app.get<{ Params: { vm: string } }>('/dashboard/vms/:vm/explanation', open, ({ params }) => explain(params.vm));
  app.get<{ Params: { decision: string } }>('/dashboard/decisions/:decision/explanation', open, async ({ params }) => {
    const explanation = record.explanation(params.decision);
    if (explanation === undefined) {
      throw new TagalongError(
        'MIGRATION_UNKNOWN',
        `no decision "${params.decision}" is known; the dashboard shows those of the last hour`,
      );
    }
    return explanation;
  });
}

async function sendAsset(url: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { type, etag, plain, gzipped } = await asset(url);
  reply.headers({ etag, 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff', vary: 'accept-encoding' });
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
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
  };
}
