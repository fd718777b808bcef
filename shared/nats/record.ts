/** Writes records into a bucket of NATS KV by compare-and-set. */
import { nuid } from 'nats';
import { TagalongError } from '../errors.ts';
import type { Sender } from './sender.ts';
import { bucketSubject } from './streams.ts';

/** JetStream's error codes for a subject whose last message is not the expected one. */
const WRONG_LAST_SEQUENCE: readonly number[] = [10071, 10164];
const GIVE_UP_AFTER_MS = 15_000;
const encoder = new TextEncoder();

/**
 * Writes a record; an absent text deletes it.
 * @param record.expected the revision that the record must have; 0 if the key must never have been written
 * @returns the new revision; undefined if the record has another revision
 * @throws TagalongError PAYLOAD_TOO_LARGE, `unreachable` of the sender's role, and the other errors of `Sender.send`
 */
export async function writeRecord(
  sender: Sender,
  record: { readonly bucket: string; readonly key: string; readonly text?: string; readonly expected: number },
): Promise<number | undefined> {
  const { bucket, key, text, expected } = record;
  const ack = await sender.send({
    subject: bucketSubject(bucket, key),
    payload: encoder.encode(text ?? ''),
    // After a lost answer the record is sent again under the same id, and the server recognises the repeat.
    id: nuid.next(),
    headers: {
      'Nats-Expected-Last-Subject-Sequence': String(expected),
      ...(text === undefined ? { 'KV-Operation': 'DEL' } : {}),
    },
    giveUpAfterMs: GIVE_UP_AFTER_MS,
  });
  if ('seq' in ack) return ack.seq;
  if (WRONG_LAST_SEQUENCE.includes(ack.error.err_code)) return undefined;
  throw new TagalongError(
    sender.role.unreachable,
    `${bucket}: NATS did not accept a record (${ack.error.description}); check the NATS server`,
  );
}
