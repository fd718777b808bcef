/**
 * OwnTracks, in HTTP mode and over MQTT (owntracks/booklet, tech/json and tech/http): an app that reports a phone's position.
 */
import Type from 'typebox';
import { unfit } from '../body.ts';
import { checker, MAX_AT_S, type Reported } from './report.ts';

/** The members of a `location` that are read; `tst` is Unix time in seconds. */
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

/** The sender, from the headers, the query or the topic of the message. */
export interface Sender {
  /** From `X-Limit-U`, `?u=` or the user name of HTTP's basic authentication. */
  readonly user?: string | undefined;
  /** `owntracks/<user>/<device>`, for a message over MQTT. */
  readonly topic?: string | undefined;
}

/**
 * Reads the position of one message; empty for another type (`transition`, `lwt`, `waypoint`, …). The user is that of the
 * sender, else the second level of the topic, else the tracker id.
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
