/** The route by which admins read the audit. */
import Type from 'typebox';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { MAX_CALLER, RequestAudited } from '#shared/events/audit-type.ts';
import { MAX_NAME } from '#shared/events/bounds.ts';
import { bodyReader } from '../ingest/body.ts';
import type { HttpSurface } from './http.ts';

const DAY_MS = 86_400_000;
/** The most records in one answer. */
const MOST = 10_000;
const Digits = Type.String({ pattern: '^[0-9]{1,15}$' });

/** The query of `GET /v1/audit`. */
export const AuditQuery = Type.Object(
  {
    /** Milliseconds since the Unix epoch. @default a day ago */
    sinceMs: Type.Optional(Digits),
    /** The name of a caller. */
    who: Type.Optional(Type.String({ minLength: 1, maxLength: MAX_CALLER })),
    /** A VM, a site, a migration, or the id of a token. */
    on: Type.Optional(Type.String({ minLength: 1, maxLength: MAX_NAME })),
  },
  { additionalProperties: false },
);
const readQuery = bodyReader(AuditQuery);

/** The answer to `GET /v1/audit`. */
export const AuditView = Type.Object({ records: Type.Array(RequestAudited, { maxItems: MOST }) });

/** Adds `GET /v1/audit`: the newest records that fit, the oldest of them first. */
export function registerAudit(
  { app }: HttpSurface,
  { bus, clock }: { readonly bus: Bus; readonly clock: Clock },
): void {
  app.get('/v1/audit', { config: { access: 'administer' } }, async ({ query }, reply) => {
    const { sinceMs = `${Math.max(0, Math.round(clock.now()) - DAY_MS)}`, who, on } = readQuery(query);
    const fits = ({ data }: { readonly data: RequestAudited }) =>
      (who === undefined || data.who === who) && (on === undefined || Object.values(data.on).includes(on));
    const events = await bus.audited({ sinceMs: Number(sinceMs), most: MOST, fits });
    return reply.header('cache-control', 'no-store').send({ records: events.map(({ data }) => data) });
  });
}
