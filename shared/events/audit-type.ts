/** The schema of the audit's records. `types.ts` lists all event types. */
import Type, { type Static } from 'typebox';
import { AtMs, Count, MAX_NAME, Word } from './bounds.ts';

const closed = { additionalProperties: false } as const;

/** The longest name of a caller: of a token, or the subject of a person (OpenID Connect allows 255 characters). */
export const MAX_CALLER = 255;
/** The name of a caller, cleaned of control characters. */
export const CallerName = Type.String({ minLength: 1, maxLength: MAX_CALLER });

/** Texts by short names. */
const Named = Type.Record(Type.String({ pattern: '^.{1,32}$' }), Type.String({ maxLength: MAX_NAME }), {
  maxProperties: 16,
  additionalProperties: false,
});

/** An order of a caller, or a refused request. It contains no position, no user and no token. */
export const RequestAudited = Type.Object(
  {
    atMs: AtMs,
    /** The id of the request, as in the log of its process. */
    request: Word,
    /** `nobody` for a caller without a valid token. */
    who: CallerName,
    /** `none` for a caller without a role. */
    role: Word,
    /** The address. */
    from: Word,
    /** Method and route. */
    what: Type.String({ maxLength: 256 }),
    /** The VM, site, migration or token, by its kind. */
    on: Named,
    /** The members of the order that matter, such as `draining` or `to`. */
    with: Named,
    outcome: Type.Union([Type.Literal('done'), Type.Literal('failed'), Type.Literal('refused')]),
    /** The status of the answer. */
    status: Type.Integer({ minimum: 0, maximum: 999 }),
    /**
     * Of how many further requests of this caller with this outcome, within a minute, there is no record because there were too many.
     * `several`: of all callers that have no record in that minute.
     */
    leftOut: Type.Optional(Count),
  },
  closed,
);
export type RequestAudited = Static<typeof RequestAudited>;
