/** Data that an erasure cannot remove at once, and their end. */
import { DEAD_LETTERS_RETENTION_MS } from '#shared/bus/kafka/topics.ts';
import type { Config } from '#shared/config/schema.ts';
import { serverUrl } from '#shared/config/server.ts';
import { LOGIN_MS } from '../ingest/apis/mqtt-logins.ts';

/** Something that is left for a while, or that people have to remove. */
export interface Remains {
  readonly where: string;
  readonly what: string;
  /** When it is gone, in ms since the epoch; null: see `what`. */
  readonly untilMs: number | null;
}

const HOUR_MS = 3_600_000;

/** Lists what is left after an erasure that ends at `nowMs`. @param id the operator's id of the user */
export function remainsAfter({ bus, store, ingest, http, vms }: Config, id: string, nowMs: number): Remains[] {
  const on = serverUrl(bus.url)!.kind;
  const storeOn = serverUrl(store.url)!.kind;
  const eventsUntilMs = Math.ceil(nowMs + bus.retentionMs);
  const locationsUntilMs = Math.ceil(nowMs + Math.min(bus.locationRetentionMs, bus.retentionMs) * KAFKA_LATER);
  const isConfigured =
    vms.some(({ sessions }) => sessions.some(({ user }) => user === id)) || http.tokens.some(({ user }) => user === id);
  const all: (Remains | false)[] = [
    on === 'kafka' && {
      where: 'bus',
      what: 'positions under the pseudonym: Kafka deletes no single records',
      untilMs: locationsUntilMs,
    },
    on === 'kafka' && {
      where: 'bus',
      what: 'when the pseudonym was attached and detached, and gaps; positions from before they had a topic of their own',
      untilMs: eventsUntilMs,
    },
    on === 'kafka' && {
      where: 'bus',
      what: 'dead letters about the pseudonym, with their positions',
      untilMs: Math.ceil(nowMs + DEAD_LETTERS_RETENTION_MS),
    },
    on !== 'memory' && {
      where: 'bus',
      what: 'decisions about the VMs: they name no user, but their figures tell where the users were',
      untilMs: eventsUntilMs,
    },
    on === 'nats' && {
      where: 'files of the bus servers',
      what: 'bytes of positions that had expired before, until the server compacts its files; nobody can read them over NATS',
      untilMs: eventsUntilMs,
    },
    storeOn === 'nats' && {
      where: 'files of the store servers',
      what: 'bytes of former contents of records, until the server compacts its files; nobody can read them over NATS',
      untilMs: null,
    },
    storeOn === 'kafka' && {
      where: 'store',
      what: 'former contents of records in the topic, until the brokers compact it; Tagalong does not read them',
      untilMs: null,
    },
    ingest.mqtt !== undefined && {
      where: 'files of the MQTT servers',
      what: 'bytes of messages that were read before, until the server compacts its files',
      untilMs: null,
    },
    ingest.mqtt?.issuerSeed !== undefined && {
      where: 'MQTT servers',
      what: 'a phone that has signed in with an erased token can leave messages there until its login ends: repeat the erasure after that',
      untilMs: Math.ceil(nowMs + LOGIN_MS),
    },
    {
      where: 'dashboards',
      what: 'decisions with their figures, without users; everything else if a dashboard had no connection to the bus',
      untilMs: Math.ceil(nowMs + HOUR_MS),
    },
    http.oidc !== undefined && {
      where: 'audit',
      what: 'refused requests of a device that has signed in at the OpenID Connect provider: they name its pseudonym',
      untilMs: Math.ceil(nowMs + bus.auditRetentionMs),
    },
    isConfigured && {
      where: 'configuration',
      what: 'a session or token names the user: remove it, or the next start attaches the user again',
      untilMs: null,
    },
  ];
  return all.filter((one) => one !== false);
}

/** Brokers delete whole segments of a tenth of the retention, at their next look. */
const KAFKA_LATER = 1.2;
