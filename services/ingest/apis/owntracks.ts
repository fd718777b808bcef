/**
 * OwnTracks, in HTTP mode and over MQTT (owntracks/booklet, tech/json and tech/http): an app that tells where a phone is.
 */
import Type from 'typebox';
import { unfit } from '../body.ts';
import { checker, MAX_AT_S, type Reported } from './report.ts';

/** The members of a `location` that are looked at; `tst` is Unix time in seconds. */
export const OwntracksLocation = Type.Object({
  _type: Type.Literal('location'),
  lat: Type.Number(),
  lon: Type.Number(),
  tst: Type.Number({ minimum: 0, maximum: MAX_AT_S }),
});

const Any = Type.Object({ _type: Type.String({ maxLength: 64 }) });
const check = checker(OwntracksLocation);
const checkAny = checker(Any);

const OF_SENDER = { user: 'user name (X-Limit-U, ?u= or basic authentication)', atMs: 'tst' };
const OF_TOPIC = { user: 'topic', atMs: 'tst' };
const OF_TRACKER = { user: 'tid', atMs: 'tst' };

/** Who sends, as far as something beside the body says it. */
export interface Sender {
  /** Of `X-Limit-U`, `?u=` or the name of HTTP's basic authentication. */
  readonly user?: string | undefined;
  /** `owntracks/<user>/<device>`, where it came over MQTT. */
  readonly topic?: string | undefined;
}

/**
 * What one message says; nothing where it is of another type (`transition`, `lwt`, `waypoint`, …). The user is the one who
 * sends, else the second part of the topic, else the tracker id: a phone's name is no part of it.
 * @throws TagalongError EVENT_INVALID; an encrypted message cannot be read
 */
export function readOwntracks(body: unknown, { user, topic }: Sender): Reported[] {
  const { _type } = checkAny(body);
  if (_type === 'encrypted') throw unfit('_type: the message is encrypted; remove the encryption key in the app');
  if (_type !== 'location') return [];
  const { lat, lon, tst } = check(body);
  const said = body as { readonly topic?: unknown; readonly tid?: unknown };
  const fromTopic = userOf(topic ?? said.topic);
  const who = user ?? fromTopic ?? said.tid;
  if (typeof who !== 'string' || who === '') {
    throw unfit(
      'the message names no user; set a user name in the app, or publish to the topic owntracks/<user>/<device>',
    );
  }
  const names = user !== undefined ? OF_SENDER : fromTopic !== undefined ? OF_TOPIC : OF_TRACKER;
  return [{ position: { user: who, lat, lon, atMs: Math.round(tst * 1000) }, where: '', names }];
}

function userOf(topic: unknown): string | undefined {
  return typeof topic === 'string' ? topic.split('/')[1] : undefined;
}
