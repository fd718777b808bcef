/**
 * The HTTP interface as an OpenAPI 3.1 document, which is served at `/openapi.json`. The bodies are the schemas with which the code checks
 * requests. A test compares the document with the registered routes.
 */
import type { TSchema } from 'typebox';
import Type from 'typebox';
import type { Config } from '#shared/config/schema.ts';
import { MigrationAccepted, PlacementDecided, SiteReported } from '#shared/events/types.ts';
import { userId } from '../ingest/body.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { json, type Route, routesOf } from './openapi-routes.ts';

const VERSION = '1';
const Fault = Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String() }) });
/** The schemas of path parameters, by name. */
const pathParameters = (pseudonymous: boolean): Readonly<Record<string, TSchema>> => ({
  vm: PlacementDecided.properties.vm,
  user: userId(pseudonymous),
  site: SiteReported.properties.site,
  migration: MigrationAccepted.properties.migration,
  decision: PlacementDecided.properties.decision,
  service: Type.String({ pattern: '^[a-z-]{1,32}$' }),
  id: Type.String({ pattern: '^[0-9a-f]{16}$' }),
});

/**
 * The document of an installation.
 * @param config with `ingest.pseudonymKey`, ids of users may be any text
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
      description: 'Virtual machines that follow their users. Each process has the routes of its own services.',
    },
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of the configuration, an issued one, or an access token',
        },
        basic: { type: 'http', scheme: 'basic', description: 'Any name, with a token as the password' },
      },
      responses: { Fault: { description: 'An error with a stable code', content: contentOf(json(Fault)) } },
    },
  };
}

/** Adds `GET /openapi.json`, which needs no token. */
export function registerOpenapi({ app }: HttpSurface, config: Pick<Config, 'ingest'>): void {
  const document = openapi(config);
  app.get('/openapi.json', { config: { access: 'open' } }, async () => document);
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
