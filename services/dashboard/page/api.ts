/** The requests of the page to its server. Only this module holds the token, in memory: a reload signs out. */
import type { Explained } from '#shared/policy/decide/words.ts';
import type { Line, PageSettings, Picture } from '../wire.ts';

/** A refusal of the server, in its own words. */
export class Refused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

let token: string | undefined;

/** True once the viewer has signed in. */
export const isSignedIn = (): boolean => token !== undefined;

/** Takes a token for all that follows, if the server takes it. @throws Refused */
export async function signIn(given: string): Promise<void> {
  const before = token;
  token = given;
  try {
    await get('/v1/dashboard/past?atMs=0');
  } catch (error) {
    token = before;
    throw error;
  }
}

export function signOut(): void {
  token = undefined;
}

export const settings = (): Promise<PageSettings> => get('/dashboard/settings');
/** The picture of an instant. */
export const past = (atMs: number): Promise<Picture> => get(`${own()}/past?atMs=${Math.round(atMs)}`);
/** Why a VM is where it is, now. */
export const explain = (vm: string): Promise<Explained> => get(`/dashboard/vms/${encodeURIComponent(vm)}/explanation`);
/** Why something was decided. */
export const explainDecision = (decision: string): Promise<Explained> =>
  get(`/dashboard/decisions/${encodeURIComponent(decision)}/explanation`);

const get = <T>(path: string): Promise<T> => ask<T>('GET', path);

/** @throws Refused with what the server says, or that it does not answer */
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
  throw new Refused(code, code === 'UNAUTHORIZED' ? 'Sign in first: the server asks for a token.' : message);
}

/**
 * Reads lines as they come, until `stop` says so. Resolves when the stream has ended or has been silent.
 * @param take each line
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

/** A line comes once a second at least. */
const SILENT_MS = 10_000;

/** The address of this page's pictures: with users, where the viewer has signed in. */
const own = () => (token === undefined ? '/dashboard' : '/v1/dashboard');
const bearer = (): Record<string, string> => (token === undefined ? {} : { authorization: `Bearer ${token}` });

function errorIn(text: string): { code?: string; message?: string } {
  try {
    return (JSON.parse(text) as { error?: { code?: string; message?: string } }).error ?? {};
  } catch {
    return {};
  }
}
