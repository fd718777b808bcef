/** The part of the configuration about the HTTP server. */
import Type from 'typebox';
import { Name } from '../events/bounds.ts';
import { ROLES } from '../roles.ts';
import { closed, count, File, Secret, section } from './values.ts';

const Role = Type.Enum([...ROLES]);

/** A token with a role. */
const NamedToken = Type.Object(
  {
    /** The name in records of the audit. */
    name: Name,
    /** `device`, `viewer`, `operator` or `admin`. */
    role: Role,
    token: Type.String({ minLength: 16, maxLength: 512, writeOnly: true }),
    /** The user for whom a device speaks. Only with the role `device`. */
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  },
  closed,
);

/** Gives a role to each person whose access token has this value in this claim. */
const RoleRule = Type.Object(
  {
    /** The name of a claim, or the path to it: `groups`, `scope`, `realm_access.roles`. */
    claim: Type.String({ minLength: 1, maxLength: 256 }),
    /** One of the values of the claim. */
    value: Type.String({ minLength: 1, maxLength: 256 }),
    role: Role,
  },
  closed,
);

/** The HTTP server: its address, the credentials of callers, and limits. */
export const Http = section({
  /** The address to listen on. Other hosts can reach any address but a loopback one, so it needs `token`, `tokens` or `oidc`. @default 127.0.0.1 */
  host: Type.String({ minLength: 1, maxLength: 255, default: '127.0.0.1' }),
  /** 0 takes any free port. @default 8080 */
  port: Type.Integer({ minimum: 0, maximum: 65_535, default: 8080 }),
  /**
   * Requests under /v1 must carry a token (`Authorization: Bearer …`). This one has the role `admin`. Without `token`, `tokens` and
   * `oidc`, no request is authenticated.
   */
  token: Secret,
  /**
   * The names by which browsers reach the server, such as `edge.example`. Addresses and localhost are always accepted. Without names, a
   * server that asks for tokens accepts every name, and an open server none.
   */
  hosts: Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 100, default: [] }),
  /** Addresses, or ranges such as `10.0.0.0/8`, of proxies whose `X-Forwarded-For` names the client. @default none */
  trustedProxies: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 100, default: [] }),
  /** Further tokens, each with a name and a role. */
  tokens: Type.Array(NamedToken, { maxItems: 1000, default: [] }),
  /** An OpenID Connect provider whose access tokens (JWT, RFC 9068) are accepted, too: each person signs in, and no token is shared. */
  oidc: Type.Optional(
    Type.Object(
      {
        /** The issuer as its tokens name it: `https://HOST/…`. */
        issuer: Type.String({ minLength: 1, maxLength: 4096 }),
        /** The audience that its tokens must name. */
        audience: Type.String({ minLength: 1, maxLength: 4096 }),
        /** The roles of persons. The highest role counts; a person without one is refused. A device speaks for the user `sub`. */
        roles: Type.Array(RoleRule, { minItems: 1, maxItems: 1000 }),
      },
      closed,
    ),
  ),
  /** PEM files. With them the server speaks https, without them http. */
  tls: Type.Optional(Type.Object({ cert: File, key: File }, closed)),
  /** The largest request body. @default 1_048_576 */
  bodyLimitBytes: count(1_048_576, 1_073_741_824),
  /** Requests a minute that one client address may send, and those with one token other than `token`. @default 6000 */
  requestsPerMinute: count(6000),
  /** The most open connections. @default 10_000 */
  connections: count(10_000),
  /** The most open connections of one address, or of one /64 with IPv6. Those of `trustedProxies` are not counted. @default 512 */
  connectionsPerAddress: count(512),
});
