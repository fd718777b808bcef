/** Maps the errors of NATS to ours: which are transient, their text, and their code for the bus or the store. */
import { NatsError } from 'nats';
import { retry } from '../clock/retry.ts';
import type { ServerRole } from '../connection/role.ts';
import { TagalongError } from '../errors.ts';

const PATIENCE_MS = 20_000;
const RETRY_MS = 250;
/** JetStream's error code for a stream that the account does not have. */
export const STREAM_NOT_FOUND = 10059;
/** JetStream's error codes when it is off, for the server or for the account. */
const NOT_ENABLED: readonly number[] = [10039, 10076];
const REFUSED: readonly string[] = [
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'AUTHENTICATION_TIMEOUT',
  'ACCOUNT_EXPIRED',
  'BAD_AUTHENTICATION',
  'BAD_CREDS',
  'PERMISSIONS_VIOLATION',
];

/** The error for a connection that could not be made. @param where the servers, without secrets */
export function connectionError(role: ServerRole, where: string, cause: unknown): TagalongError {
  const { code } = cause as { code?: string };
  if (code !== undefined && REFUSED.includes(code)) {
    return new TagalongError(
      'BUS_REFUSED',
      `${where}: NATS does not accept our credentials (${code}); check user and password in the configuration`,
      { cause },
    );
  }
  const message = `${where}: no NATS server answers (${reasonOf(cause)}); check that it runs and that the address is right`;
  return new TagalongError(role.unreachable, message, { cause });
}

/**
 * The error for a failed request: BUS_REFUSED if our account lacks the permission, `role.unreachable` if another attempt may
 * succeed, else `role.unfit`. A TagalongError is returned unchanged.
 * @param what the requested stream, bucket or group
 */
export function refusalOf(role: ServerRole, what: string, cause: unknown): TagalongError {
  if (cause instanceof TagalongError) return cause;
  const { code } = cause as { code?: string };
  if (code !== undefined && REFUSED.includes(code)) {
    const message = `${what}: our account on NATS does not permit it (${reasonOf(cause)}); shared/bus/nats/README.md lists the permissions`;
    return new TagalongError('BUS_REFUSED', message, { cause });
  }
  if (isPassing(cause) || code === '503') {
    return new TagalongError(role.unreachable, `${what}: NATS does not answer (${reasonOf(cause)}); check the server`, {
      cause,
    });
  }
  return new TagalongError(
    role.unfit,
    `${what}: NATS refused the request (${reasonOf(cause)}); compare the server's settings with shared/bus/nats/README.md`,
    { cause },
  );
}

/**
 * Repeats a request for up to 20 s: the servers of a cluster that has just started, or has lost a server, first have to elect a
 * leader.
 * @param what the requested stream, bucket or server, for the error's message
 * @throws TagalongError `role.unreachable`; the server's own error if that is not transient
 */
export async function patiently<T>(role: ServerRole, what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await retry(ask, { everyMs: RETRY_MS, withinMs: PATIENCE_MS, isPassing });
  } catch (error) {
    if (!isPassing(error)) throw error;
    const message = `${what}: NATS does not answer (${reasonOf(error)}); check the server`;
    throw new TagalongError(role.unreachable, message, { cause: error });
  }
}

/** True for an error that another attempt may not meet. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  const { api_error: answer, code } = error;
  if (answer !== undefined) return answer.code >= 500 && !NOT_ENABLED.includes(answer.err_code ?? 0);
  return ['TIMEOUT', 'DISCONNECT', 'CONNECTION_REFUSED'].includes(code);
}

/** The short text of a client's error: the server's own text if it has sent one. */
export function reasonOf(error: unknown): string {
  if (error instanceof NatsError) return error.api_error?.description ?? error.chainedError?.message ?? error.message;
  return error instanceof Error ? error.message : String(error);
}

/** JetStream's number of an error, such as 10059 for a missing stream; undefined for an error of another kind. */
export function apiCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

/** A server's URL for messages and logs: without user and password. */
export function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}
