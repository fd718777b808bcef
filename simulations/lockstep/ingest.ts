/** A client of ingest over HTTP. It repeats each request until one of the ingest processes accepts it. */
import type { Receipt } from '#services/ingest/locations.ts';
import type { Ingest } from '#services/ingest/service.ts';
import { until } from '#shared/clock/retry.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import type { Conductor } from './conductor.ts';

/** The client waits so long for the answer of one process. */
const TIMEOUT_MS = 10_000;
/** It repeats a request for so long, and so often. */
const PATIENCE_MS = 120_000;
const AGAIN_MS = 50;

/** The part of ingest that a replay needs, with counts of what it accepted. */
export interface IngestClient extends Pick<Ingest, 'declareVm' | 'attach' | 'locations'> {
  readonly accepted: number;
  /** The number of requests that had no answer, or were refused for the moment. */
  readonly repeated: number;
}

/** @param token of `http.token` */
export function ingestClient(conductor: Conductor, token: string | undefined): IngestClient {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  let [requests, accepted, repeated] = [0, 0, 0];

  const send = async (method: string, path: string, body: unknown) => {
    let answered = '';
    const isAccepted = async () => {
      const urls = conductor.urls('ingest');
      const url = urls[requests++ % urls.length];
      if (url !== undefined) {
        // The process must have the time of this instant before it gets the request.
        conductor.noteRequest();
        await conductor.sendTime();
        const signal = AbortSignal.timeout(TIMEOUT_MS);
        const answer = await fetch(url + path, { method, headers, signal, body: JSON.stringify(body) })
          .then(async (response) => ({ status: response.status, text: await response.text() }))
          .catch(() => undefined);
        if (answer !== undefined && answer.status < 300) {
          answered = answer.text;
          return true;
        }
        if (answer !== undefined && answer.status < 429) throw refused(answer.text);
      }
      repeated++;
      return false;
    };
    if (await until(isAccepted, { everyMs: AGAIN_MS, withinMs: PATIENCE_MS })) return answered;
    throw new TagalongError(
      'SERVER_UNREACHABLE',
      `ingest did not accept ${method} ${path} within ${PATIENCE_MS / 1000} s; read its log`,
    );
  };
  return {
    get accepted() {
      return accepted;
    },
    get repeated() {
      return repeated;
    },
    async declareVm(vm, home, spec, { affinity } = {}) {
      await send('PUT', `/v1/vms/${encodeURIComponent(vm)}`, { home, spec, affinity });
    },
    async attach(vm, user, weight) {
      await send('PUT', `/v1/vms/${encodeURIComponent(vm)}/sessions/${encodeURIComponent(user)}`, { weight });
    },
    async locations(list) {
      const receipt = JSON.parse(await send('POST', '/v1/locations', list)) as Receipt;
      accepted += receipt.accepted;
      return receipt;
    },
  };
}

function refused(text: string): TagalongError {
  const { error } = JSON.parse(text) as { readonly error: { readonly code: ErrorCode; readonly message: string } };
  return new TagalongError(error.code, `ingest: ${error.message}`);
}
