/**
 * Logins of phones at the MQTT gateway, by the tokens that Tagalong issues (NATS auth callout, nats-server 2.10 or newer). The server asks
 * here about each connection that is none of its own users. The user name is the user's id, the password a token of the role device. The
 * answer permits to publish the topics of this user, and nothing else.
 */
import { randomUUID } from 'node:crypto';
import type { Msg } from 'nats';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Log } from '#shared/log.ts';
import type { Link } from '#shared/nats/connection.ts';
import { RecentMap } from '#shared/recent.ts';
import { networkOf } from '../../runtime/connections.ts';
import { type ReadQuota, readQuota } from '../../runtime/read-quota.ts';
import { TOKEN, type Tokens } from '../../runtime/tokens.ts';
import type { Names } from '../names.ts';

const ASKED = '$SYS.REQ.USER.AUTH';
const WHO_AM_I = '$SYS.REQ.USER.INFO';
const ANSWER_MS = 5_000;
/** After this time the server ends the connection, and the phone signs in again: a revoked token is of no use by then. */
export const LOGIN_MS = 600_000;
/** A user whose topic needs no wildcard or further level. A dot is `//` in a subject. */
const USER = /^[A-Za-z0-9._:@=-]{1,128}$/;

/** A key pair of NATS. */
interface KeyPair {
  getPublicKey(): string;
  sign(bytes: Uint8Array): Uint8Array;
}

/** So many networks have a quota of their own at least. */
const MIN_NETWORKS = 10_000;

/** A server's description of a connection that it asks about. Nobody has checked it yet. */
interface Asked {
  readonly client_info?: { readonly host?: unknown };
  readonly user_nkey?: unknown;
  readonly server_id?: { readonly id?: unknown };
  readonly connect_opts?: { readonly user?: unknown; readonly pass?: unknown };
}

/** The dependencies of the answers. */
export interface LoginOptions {
  readonly link: Link;
  readonly tokens: Tokens;
  readonly names: Names;
  /** The seed of the server's `issuer`, `SA…`. */
  readonly issuerSeed: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Begins to answer the servers. Processes with the same connection share the questions.
 * @throws TagalongError BUS_UNFIT where the server does not say in which account the phones are
 */
export async function answerLogins({ link, issuerSeed, log, ...options }: LoginOptions): Promise<void> {
  const { nkeys } = await import('nats');
  const issuer: KeyPair = nkeys.fromSeed(new TextEncoder().encode(issuerSeed));
  const account = await accountOf(link);
  // One network that guesses must not lock out the phones of the others.
  const quotas = new RecentMap<ReadQuota>(MIN_NETWORKS);
  const quotaOf = (network: string) => {
    const quota = quotas.get(network) ?? readQuota(options.clock);
    quotas.set(network, quota);
    return quota;
  };
  const judge = async ({ connect_opts: { user, pass } = {}, client_info: { host } = {} }: Asked) => {
    // These texts cost nothing: the store is not read.
    if (typeof user !== 'string' || typeof pass !== 'string' || !USER.test(user) || !TOKEN.test(pass)) return undefined;
    const quota = quotaOf(typeof host === 'string' ? networkOf(host) : '');
    if (!quota.isLeft()) return undefined;
    const login = await loginOf(user, pass, options);
    if (login === undefined) quota.spend();
    return login;
  };
  link.nc.subscribe(ASKED, {
    queue: 'ingest',
    callback(error, message) {
      if (error !== null) return;
      void answer(message, { issuer, account, judge, clock: options.clock }).catch((err) =>
        // The server refuses the phone, which tries again.
        log.error({ err }, 'a login over MQTT could not be judged'),
      );
    },
  });
}

/** The account of this connection, which is that of the phones. */
async function accountOf({ nc }: Link): Promise<string> {
  const reply = await nc.request(WHO_AM_I, undefined, { timeout: ANSWER_MS }).catch((cause) => {
    const message = `ingest.mqtt: the server does not say which account it uses (${WHO_AM_I}); permit this subject`;
    throw new TagalongError('BUS_UNFIT', message, { cause });
  });
  const { data } = reply.json<{ readonly data?: { readonly account?: string } }>();
  return data?.account ?? '';
}

/** The subjects and the end of a login; undefined: refused. */
async function loginOf(
  user: string,
  pass: string,
  { tokens, names, clock }: Pick<LoginOptions, 'tokens' | 'names' | 'clock'>,
): Promise<{ readonly user: string; readonly untilS: number } | undefined> {
  const token = await tokens.recognise(pass);
  if (token?.role !== 'device' || token.user === null) return undefined;
  // The token may be older than the present key of the pseudonyms.
  if (token.user !== names.pseudonymOf(user) && !names.former.ofUser(user).includes(token.user)) return undefined;
  return { user, untilS: Math.floor(Math.min(token.expiresAtMs, clock.now() + LOGIN_MS) / 1000) };
}

async function answer(
  message: Msg,
  options: {
    readonly issuer: KeyPair;
    readonly account: string;
    readonly judge: (asked: Asked) => ReturnType<typeof loginOf>;
    readonly clock: Clock;
  },
): Promise<void> {
  const { issuer, account, judge, clock } = options;
  const asked = claimsIn(message.string());
  const { user_nkey: sub, server_id } = asked;
  const login = await judge(asked);
  const iat = Math.floor(clock.now() / 1000);
  const answered = { sub, aud: server_id?.id, iat };
  if (login === undefined) {
    const nats = { error: 'unknown user or token', type: 'authorization_response', version: 2 };
    message.respond(jwt(issuer, { ...answered, nats }));
    return;
  }
  const { user, untilS: exp } = login;
  const permissions = { pub: { allow: [`owntracks.${user.replaceAll('.', '//')}.>`] }, sub: { deny: ['>'] } };
  const limits = { subs: -1, data: -1, payload: -1, allowed_connection_types: ['MQTT', 'MQTT_WS'] };
  const nats = { ...permissions, ...limits, type: 'user', version: 2 };
  const signed = jwt(issuer, { sub, aud: account, name: user, iat, exp, nats });
  message.respond(jwt(issuer, { ...answered, nats: { jwt: signed, type: 'authorization_response', version: 2 } }));
}

/** The claims of the server's question. Only the server can publish it: its subject begins with `$SYS`. */
function claimsIn(token: string): Asked {
  const { nats } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { nats?: Asked };
  return nats ?? {};
}

/** A JSON Web Token as NATS reads it. */
function jwt(issuer: KeyPair, claims: object): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const all = { jti: randomUUID(), iss: issuer.getPublicKey(), ...claims };
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(all)}`;
  return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url')}`;
}
