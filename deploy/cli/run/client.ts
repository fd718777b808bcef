/** Asks a running process; if there are several, the one that has the answer. */
import { readFile } from 'node:fs/promises';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Answer, fetchAnswer } from '#shared/http/answer.ts';
import { foreignText, withoutControls } from '#shared/text.ts';

/** The options of all operating commands: the processes to ask, and the format of the answer. */
export interface ServerOptions {
  readonly url: string;
  /** The path of a file with a token. Default: TAGALONG_TOKEN. */
  readonly tokenFile?: string;
  readonly json?: true;
}

/** The longest answer lists all VMs. */
const MOST_BYTES = 256 * 2 ** 20;
const WITHIN_MS = 15_000;

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** Error codes of a process that does not serve this request; a later code in the list is more informative. */
const NOT_HERE: readonly string[] = ['NOT_FOUND', 'SERVER_UNREACHABLE', 'HELD_ELSEWHERE'];

/**
 * Sends a request to each process in turn until one serves it, and reads the answer. Path parts must be escaped already.
 * @param withinMs the limit of each attempt
 * @throws TagalongError SERVER_UNREACHABLE; USAGE if an address or the token is malformed; else the server's error
 */
export async function ask<T>(
  options: ServerOptions,
  method: Method,
  path: string,
  body?: object,
  withinMs = WITHIN_MS,
): Promise<T> {
  const refusals: TagalongError[] = [];
  for (const base of basesOf(options)) {
    try {
      return await askOne<T>(base, options, method, path, { body, withinMs });
    } catch (error) {
      if (!isNotHere(error)) throw error;
      refusals.push(error);
    }
  }
  throw mostTelling(refusals);
}

/** The answers of every process, each asked once. */
export interface Answers<T> {
  readonly answers: readonly T[];
  /** The errors of processes that do not serve this request. */
  readonly refusals: readonly TagalongError[];
}

/**
 * Reads from every process that can answer; there may be none.
 * @throws TagalongError USAGE; else the error of a process that has the answer and refuses it
 */
export async function askEach<T>(options: ServerOptions, path: string): Promise<Answers<T>> {
  const refusals: TagalongError[] = [];
  const answers = await Promise.all(
    basesOf(options).map((base) =>
      askOne<T>(base, options, 'GET', path).catch((error): undefined => {
        if (!isNotHere(error)) throw error;
        refusals.push(error);
      }),
    ),
  );
  return { answers: answers.filter((answer) => answer !== undefined), refusals };
}

function isNotHere(error: unknown): error is TagalongError {
  return error instanceof TagalongError && NOT_HERE.includes(error.code);
}

function mostTelling(refusals: readonly TagalongError[]): TagalongError {
  return refusals.toSorted((a, b) => NOT_HERE.indexOf(b.code) - NOT_HERE.indexOf(a.code))[0]!;
}

async function askOne<T>(
  base: string,
  options: ServerOptions,
  method: Method,
  path: string,
  { body, withinMs = WITHIN_MS }: { readonly body?: object | undefined; readonly withinMs?: number } = {},
): Promise<T> {
  const token = await tokenOf(options);
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  // Follows no redirect: the token is for this server only.
  const init = {
    method,
    redirect: 'manual',
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  } as const;
  const response = await fetchAnswer(base + path, init, { mostBytes: MOST_BYTES, withinMs }).catch((cause) => {
    throw new TagalongError(
      'SERVER_UNREACHABLE',
      `no server answers at ${base} (${reasonOf(cause)}); start one with "tagalong start" or name it with --url`,
      { cause },
    );
  });
  return readAnswer<T>(base, response, token !== undefined);
}

/** @throws TagalongError USAGE */
async function tokenOf({ tokenFile }: ServerOptions): Promise<string | undefined> {
  const from = tokenFile === undefined ? 'TAGALONG_TOKEN' : `--token-file ${tokenFile}`;
  const token = tokenFile === undefined ? process.env.TAGALONG_TOKEN || undefined : await textOf(tokenFile);
  if (token !== undefined && !/^[\x21-\x7e][\x20-\x7e]*$/.test(token)) {
    throw new TagalongError('USAGE', `${from}: is no token: an HTTP header cannot carry it; give one line of ASCII`);
  }
  return token;
}

/** @throws TagalongError USAGE */
async function textOf(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TagalongError('USAGE', `--token-file ${path}: cannot be read (${code}); name a file with a token`, {
      cause,
    });
  }
}

function readAnswer<T>(base: string, { status, text }: Answer, tokenGiven: boolean): T {
  // 204: success without a body.
  if (status === 204) return undefined as T;
  let answer: unknown;
  try {
    // An answer may quote guests and agents: it must not contain control sequences for the terminal.
    answer = JSON.parse(text, (_key, value) => (typeof value === 'string' ? withoutControls(value) : value));
  } catch {
    // The code below reports it: each answer of Tagalong is JSON.
  }
  if (status >= 200 && status < 300 && answer !== undefined) return answer as T;
  const { code, message } = (answer as { error?: { code?: unknown; message?: unknown } } | undefined)?.error ?? {};
  if (typeof code !== 'string' || typeof message !== 'string') {
    throw new TagalongError(
      'SERVER_UNREACHABLE',
      `the server at ${base} is not Tagalong; name the address of Tagalong with --url`,
    );
  }
  if (code === 'UNAUTHORIZED') throw new TagalongError(code as ErrorCode, unauthorized(base, tokenGiven));
  // The HTTP server has codes of its own, such as UNAUTHORIZED. They are passed on unchanged.
  throw new TagalongError(foreignText(code, 64) as ErrorCode, foreignText(message, 4096));
}

function unauthorized(base: string, tokenGiven: boolean): string {
  const right =
    'set TAGALONG_TOKEN to a token of this installation, or name a file that contains one with --token-file';
  return tokenGiven ? `${base} does not take this token: ${right}` : `${base} asks for a token: ${right}`;
}

/** The addresses to ask, each once. @throws TagalongError USAGE */
export function basesOf({ url }: ServerOptions): string[] {
  return [...new Set(url.split(',').map((one) => baseOf(one.trim())))];
}

function baseOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '') {
    throw new TagalongError('USAGE', '--url: must be http://HOST:PORT or https://HOST:PORT, without a user');
  }
  return (parsed.origin + parsed.pathname).replace(/\/+$/, '');
}

export function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
  return cause?.code ?? (name === 'TimeoutError' ? 'it takes too long' : (cause?.message ?? message));
}
