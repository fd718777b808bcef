/** Ingest as clients have it: over HTTP, asked again until it has taken what it is given. */
import type { Ingest, Receipt } from '#services/ingest/service.ts';
import { until } from '#shared/clock/retry.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import type { Conductor } from './conductor.ts';

/** Longest time that one of several processes is waited for, and that all of them are. */
const TIMEOUT_MS = 10_000;
const PATIENCE_MS = 120_000;
const AGAIN_MS = 50;

/** The part of ingest that a replay needs, with counts of what it accepted. */
export interface IngestClient extends Pick<Ingest, 'declareVm' | 'attach' | 'locations'> {
  readonly accepted: number;
  /** Requests that were not answered, or turned away for the moment. */
  readonly repeated: number;
}

/** @param token of `http.token` */
export function ingestClient(conductor: Conductor, token: string | undefined): IngestClient {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  let [asked, accepted, repeated] = [0, 0, 0];

  const ask = async (method: string, path: string, body: unknown) => {
    let taken = '';
    const isTaken = async () => {
      const urls = conductor.urls('ingest');
      const url = urls[asked++ % urls.length];
      if (url !== undefined) {
        // The request belongs to this instant.
        conductor.disturbed();
        await conductor.tellTime();
        const signal = AbortSignal.timeout(TIMEOUT_MS);
        const answer = await fetch(url + path, { method, headers, signal, body: JSON.stringify(body) })
          .then(async (response) => ({ status: response.status, text: await response.text() }))
          .catch(() => undefined);
        if (answer !== undefined && answer.status < 300) {
          taken = answer.text;
          return true;
        }
        if (answer !== undefined && answer.status < 429) throw refused(answer.text);
      }
      repeated++;
      return false;
    };
    if (await until(isTaken, { everyMs: AGAIN_MS, withinMs: PATIENCE_MS })) return taken;
    throw new TagalongError('SERVER_UNREACHABLE', `ingest has not taken ${method} ${path} for ${PATIENCE_MS / 1000} s`);
  };
  return {
    get accepted() {
      return accepted;
    },
    get repeated() {
      return repeated;
    },
    async declareVm(vm, home, spec) {
      await ask('PUT', `/v1/vms/${encodeURIComponent(vm)}`, { home, spec });
    },
    async attach(vm, user, weight) {
      await ask('PUT', `/v1/vms/${encodeURIComponent(vm)}/sessions/${encodeURIComponent(user)}`, { weight });
    },
    async locations(list) {
      const receipt = JSON.parse(await ask('POST', '/v1/locations', list)) as Receipt;
      accepted += receipt.accepted;
      return receipt;
    },
  };
}

function refused(text: string): TagalongError {
  const { error } = JSON.parse(text) as { readonly error: { readonly code: ErrorCode; readonly message: string } };
  return new TagalongError(error.code, `ingest: ${error.message}`);
}
