/** Phones (`ingest.mqtt`) must not use the same account of a NATS server as the services: every phone could then use the whole bus. */
import { isDeepStrictEqual } from 'node:util';
import type { Fault } from './faults.ts';
import type { Config } from './schema.ts';
import { serverUrl } from './server.ts';

/** The next step, which ends the messages. */
export const OWN_ACCOUNT =
  'give the phones an account of their own on the server, and a user of it here; services/ingest/README.md has the configuration';

/**
 * A fault if `ingest.mqtt` names a server of the bus or of the store, without credentials or with the same ones. Other credentials may
 * still belong to the same account: ingest asks the server when it starts.
 */
export function* phoneAccountFaults({ bus, store, ingest: { mqtt } }: Config): Generator<Fault> {
  if (mqtt === undefined) return;
  if (mqtt.issuerSeed !== undefined && !/^SA[A-Z2-7]{56}$/.test(mqtt.issuerSeed)) {
    const message = 'is no seed of an account nkey; give SA…, as services/ingest/README.md says';
    yield { path: ['ingest', 'mqtt', 'issuerSeed'], message };
  }
  const storeAuth = store.auth ?? (store.url === bus.url ? bus.auth : undefined);
  const servers = { bus: { url: bus.url, auth: bus.auth }, store: { url: store.url, auth: storeAuth } };
  for (const [section, { url, auth }] of Object.entries(servers)) {
    if (!haveServerInCommon(mqtt.url, url)) continue;
    if (mqtt.auth !== undefined && !isDeepStrictEqual(mqtt.auth, auth)) continue;
    const why = mqtt.auth === undefined ? 'has no auth' : `has the auth of the ${section}`;
    const message = `${why}, on a server of the ${section}: every phone could read all positions and publish orders; ${OWN_ACCOUNT}`;
    yield { path: ['ingest', 'mqtt'], message, code: 'MQTT_ACCOUNT_SHARED' };
    return;
  }
}

function haveServerInCommon(one: string, other: string): boolean {
  const [a, b] = [serverUrl(one), serverUrl(other)];
  return a?.kind === 'nats' && b?.kind === 'nats' && a.hosts.some((host) => b.hosts.includes(host));
}
