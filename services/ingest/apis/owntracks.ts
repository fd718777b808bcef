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
  if (_type === 'encrypted') throw unfit('_type: encrypted; without a key on the phone it could be read');
  if (_type !== 'location') return [];
  const { lat, lon, tst } = check(body);
  const said = body as { readonly topic?: unknown; readonly tid?: unknown };
  const who = user ?? userOf(topic ?? said.topic) ?? said.tid;
  if (typeof who !== 'string' || who === '') {
    throw unfit(
      'nobody says whose position this is; a user in the app, or topic owntracks/<user>/<device>, would be right',
    );
  }
  return [{ user: who, lat, lon, atMs: Math.round(tst * 1000) }];
}

function userOf(topic: unknown): string | undefined {
  return typeof topic === 'string' ? topic.split('/')[1] : undefined;
}
