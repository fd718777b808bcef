/** The requests of the page to its server. Only this module holds the token, in memory: a reload signs the viewer out. */
import type { CoarseExplained } from '#shared/policy/decide/coarse.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import { mayUse, type Role } from '#shared/roles.ts';
import type { Line, PageSettings, Picture } from '../wire.ts';

/** A refusal of the server, with the server's message. */
export class Refused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The caller that has signed in. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
}

let token: string | undefined;
let caller: Caller | undefined;

/** The caller that has signed in; undefined: nobody. */
export const signedIn = (): Caller | undefined => caller;
/** True if the viewer has signed in with a role that may give orders. */
export const maySignedInOperate = (): boolean => mayUse(caller?.role, 'operate');

/** Uses this token for all later requests, if the server accepts it. @throws Refused */
export async function signIn(given: string): Promise<void> {
  const before = token;
  token = given;
  try {
    caller = await get('/v1/caller');
  } catch (error) {
    token = before;
    throw error;
  }
}

/** Discards the token. */
export function signOut(): void {
  token = undefined;
  caller = undefined;
}

/** The settings of the page. */
export const settings = (): Promise<PageSettings> => get('/dashboard/settings');
/** The picture of a past instant. */
export const past = (atMs: number): Promise<Picture> => get(`${own()}/past?atMs=${Math.round(atMs)}`);
/** An explanation: with figures only if the viewer may see where users are. */
export type Explanation = Explained | CoarseExplained;
/** The present explanation of a VM's home. */
export const explain = (vm: string): Promise<Explanation> =>
  get(`${token === undefined ? '/dashboard' : '/v1'}/vms/${encodeURIComponent(vm)}/explanation`);
/** The explanation of a past decision. */
export const explainDecision = (decision: string): Promise<Explanation> =>
  get(`${own()}/decisions/${encodeURIComponent(decision)}/explanation`);

const get = <T>(path: string): Promise<T> => ask<T>('GET', path);

/** Sends a request. @throws Refused with the server's message, or because the server does not answer */
export async function ask<T>(method: string, path: string, body?: object, keepalive = false): Promise<T> {
  const response = await fetch(path, {
    method,
    keepalive,
    headers: { ...bearer(), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new Refused('SERVER_UNREACHABLE', 'The server does not answer.');
  });
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
  const { code = 'INTERNAL', message = response.statusText } = errorIn(text);
  throw new Refused(code, code === 'UNAUTHORIZED' ? 'Sign in first: the server requires a token.' : message);
}

/**
 * Reads the live stream until it ends, or is silent for ten seconds.
 * @param stop ends the stream
 * @param take called with each line
 * @throws Refused if the server does not offer the stream; errors of `fetch`
 */
export async function follow(stop: AbortSignal, take: (line: Line) => void): Promise<void> {
  const silence = new AbortController();
  const response = await fetch(`${own()}/live`, { headers: bearer(), signal: AbortSignal.any([stop, silence.signal]) });
  if (!response.ok || response.body === null) throw new Refused('SERVER_UNREACHABLE', response.statusText);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const timer = setTimeout(() => silence.abort(), SILENT_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop()!;
    for (const line of lines) take(JSON.parse(line) as Line);
  }
}

/** The server sends at least one line a second, so a silence of this length is a lost connection. */
const SILENT_MS = 10_000;

/** The address of the pictures: those with users, if the viewer has signed in. */
const own = () => (token === undefined ? '/dashboard' : '/v1/dashboard');
const bearer = (): Record<string, string> => (token === undefined ? {} : { authorization: `Bearer ${token}` });

function errorIn(text: string): { code?: string; message?: string } {
  try {
    return (JSON.parse(text) as { error?: { code?: string; message?: string } }).error ?? {};
  } catch {
    return {};
  }
}
