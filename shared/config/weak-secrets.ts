/**
 * Secrets that others know or can guess: the placeholders of our examples, and texts with too little entropy. They are refused wherever
 * other hosts can use them.
 */
import type { Fault } from './faults.ts';
import { isLoopback } from './loopback.ts';
import type { Config, ServerConfig } from './schema.ts';
import { serverUrl } from './server.ts';

/** Random secrets have more: 16 random hexadecimal digits have 50 on average. */
const MIN_BITS = 40;

/** True for the placeholders of secrets in our examples. */
export function isPlaceholder(text: string): boolean {
  // The second one is that of a webhook's key, in base64.
  return /replace-me|whsec_cmVwbGFjZS1tZS/i.test(text) || text === 'secret' || text === 'SU…';
}

/**
 * Why others know or can guess a secret; undefined if neither is known. The estimate is the entropy of its characters: it finds few
 * different characters (`aaaaaaaaaaaaaaaa`), but no words.
 */
export function weaknessOf(secret: string): string | undefined {
  if (isPlaceholder(secret)) return 'is the placeholder of our examples, which everybody knows';
  const counts = new Map<string, number>();
  for (const character of secret) counts.set(character, (counts.get(character) ?? 0) + 1);
  const bits = [...counts.values()].reduce((sum, n) => sum + n * Math.log2(secret.length / n), 0);
  return bits < MIN_BITS ? 'has too few different characters, so others can guess it' : undefined;
}

/** The weak secrets of a configuration that hosts other than this one could use. */
export function weakSecretFaults({ http, bus, store, ingest, tracing, webhooks }: Config): Fault[] {
  const isBehindProxy = http.trustedProxies.length > 0 || http.hosts.some((name) => !isLoopback(name));
  const isReachable = isBehindProxy || !isLoopback(http.host);
  const holds = [bus, store].some(isAway);
  const webAway = (url: string | undefined) => url !== undefined && !isLoopback(URL.parse(url)?.hostname ?? '');
  return [
    ...(isReachable ? weak(['http', 'token'], http.token) : []),
    ...http.tokens.flatMap(({ token }, i) => (isReachable ? weak(['http', 'tokens', `${i}`, 'token'], token) : [])),
    // The pseudonyms on other hosts are as good as names to those who know the key.
    ...(isReachable || holds ? weak(['ingest', 'pseudonymKey'], ingest.pseudonymKey) : []),
    ...(webAway(tracing.otlpUrl) ? weak(['tracing', 'token'], tracing.token) : []),
    ...webhooks.flatMap(({ url, token, signingKey }, i) => {
      if (!webAway(url)) return [];
      return Object.entries({ token, signingKey }).flatMap(([key, text]) => weak(['webhooks', `${i}`, key], text));
    }),
    ...placeholders(['bus'], bus),
    ...placeholders(['store'], store),
    ...(ingest.mqtt ? placeholders(['ingest', 'mqtt'], ingest.mqtt) : []),
  ];
}

function weak(path: readonly string[], secret: string | undefined): Fault[] {
  const why = secret === undefined ? undefined : weaknessOf(secret);
  return why === undefined ? [] : [{ path, message: `${why}; ${NEXT}`, code: 'SECRET_WEAK' }];
}

const NEXT = '"tagalong init FOLDER --secrets" writes fresh ones, and { file: PATH } names one of them';

function isAway({ url }: Pick<ServerConfig, 'url'>): boolean {
  // A URL without a user has a port at its end.
  return serverUrl(url)?.hosts.some((host) => !isLoopback(host.replace(/:\d+$/, ''))) ?? false;
}

/** Another program has chosen these secrets, so only our placeholders are refused. */
function placeholders(section: readonly string[], server: Pick<ServerConfig, 'url' | 'auth'>): Fault[] {
  if (!isAway(server)) return [];
  const { password, token, nkeySeed } = server.auth ?? {};
  return Object.entries({ password, token, nkeySeed })
    .filter(([, text]) => text !== undefined && isPlaceholder(text))
    .map(([key]) => ({
      path: [...section, 'auth', key],
      message: 'is the placeholder of our examples, which everybody knows; give the one of your server',
      code: 'SECRET_WEAK',
    }));
}
