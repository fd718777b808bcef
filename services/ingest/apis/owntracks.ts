/**
 * OwnTracks, in HTTP mode and over MQTT (owntracks/booklet, tech/json and tech/http): an app that reports a phone's position.
 */
import Type from 'typebox';
import type { Presence } from '#shared/policy/state/presence.ts';
import { unfit } from '../body.ts';
import { checker, MAX_AT_S, type Reported } from './report.ts';

/** The members of a `location` that are read; `tst` is Unix time in seconds. */
export const OwntracksLocation = Type.Object({
  _type: Type.Literal('location'),
  lat: Type.Number(),
  lon: Type.Number(),
  tst: Type.Number({ minimum: 0, maximum: MAX_AT_S }),
});

/** The members of a `transition` that are looked at; one without a place says nothing of where somebody is. */
export const OwntracksTransition = Type.Object({
  _type: Type.Literal('transition'),
  event: Type.String({ maxLength: 64 }),
  lat: Type.Optional(Type.Number()),
  lon: Type.Optional(Type.Number()),
  tst: Type.Number({ minimum: 0, maximum: MAX_AT_S }),
});

const Any = Type.Object({ _type: Type.String({ maxLength: 64 }) });
const check = checker(OwntracksLocation);
const checkTransition = checker(OwntracksTransition);
const checkAny = checker(Any);

const OF_SENDER = { user: 'user name (X-Limit-U, ?u= or basic authentication)', atMs: 'tst' };
const OF_TOPIC = { user: 'topic', atMs: 'tst' };
const OF_TRACKER = { user: 'tid', atMs: 'tst' };

/** The sender, from the headers, the query or the topic of the message. */
export interface Sender {
  /** From `X-Limit-U`, `?u=` or the user name of HTTP's basic authentication. */
  readonly user?: string | undefined;
  /** `owntracks/<user>/<device>`, for a message over MQTT. */
  readonly topic?: string | undefined;
}

/**
 * Reads the position of one message; empty for another type (`lwt`, `waypoint`, …). The user is that of the
 * sender, else the second level of the topic, else the tracker id.
 * @throws TagalongError EVENT_INVALID; an encrypted message cannot be read
 */
export function readOwntracks(body: unknown, { user, topic }: Sender): Reported[] {
  const { _type } = checkAny(body);
  if (_type === 'encrypted') throw unfit('_type: the message is encrypted; remove the encryption key in the app');
  if (_type !== 'location' && _type !== 'transition') return [];
  const { lat, lon, tst } = _type === 'location' ? check(body) : checkTransition(body);
  if (lat === undefined || lon === undefined || isEcho(body as Said)) return [];
  const said = body as { readonly topic?: unknown; readonly tid?: unknown };
  const fromTopic = userOf(topic ?? said.topic);
  const who = user ?? fromTopic ?? said.tid;
  if (typeof who !== 'string' || who === '') {
    throw unfit(
      'the message names no user; set a user name in the app, or publish to the topic owntracks/<user>/<device>',
    );
  }
  const names = user !== undefined ? OF_SENDER : fromTopic !== undefined ? OF_TOPIC : OF_TRACKER;
  const presence = owntracksPresence(body as Said);
  const position = { user: who, lat, lon, atMs: Math.round(tst * 1000), ...(presence && { presence }) };
  return [{ position, where: '', names }];
}

/** The members of a message that tell how its phone reports. Nobody has checked them yet. */
interface Said {
  readonly _type?: unknown;
  readonly event?: unknown;
  readonly m?: unknown;
  readonly t?: unknown;
  readonly inregions?: unknown;
}

/** Monitoring modes, the member `m` (tech/json). */
const [QUIET, MANUAL, SIGNIFICANT, MOVE] = [-1, 0, 1, 2];

/**
 * The presence that a message implies (booklet, tech/json and features/location). In a transition a phone enters or leaves a region.
 * A phone in move mode publishes at intervals. One that reports significant changes is silent for hours while it does not move. One in
 * manual mode tells by itself only that it leaves a region. Its user asked for all other messages of manual mode, and for all of quiet mode.
 */
export function owntracksPresence({ _type, event, m, t, inregions }: Said): Presence | undefined {
  if (_type === 'transition') return event === 'enter' ? 'arrived' : event === 'leave' ? 'left' : undefined;
  if (m === MOVE || (m === undefined && t === 't')) return 'periodic';
  if (m === SIGNIFICANT) return 'arrived';
  return m === MANUAL && Array.isArray(inregions) && inregions.length > 0 ? 'arrived' : undefined;
}

/** A location that a phone in quiet or manual mode publishes beside a transition: only the transition says which way the region is crossed. */
export function isEcho({ _type, m, t }: Said): boolean {
  return _type === 'location' && (m === QUIET || m === MANUAL) && (t === 'c' || t === 'b');
}

function userOf(topic: unknown): string | undefined {
  return typeof topic === 'string' ? topic.split('/')[1] : undefined;
}
