/**
 * The signature of a webhook's requests, as the Standard Webhooks specification defines it, so that its libraries verify them. The
 * signature covers the id, the time and the body: receivers recognise forged, changed and repeated requests.
 */
import { createHmac } from 'node:crypto';

/** The prefix of keys. The key itself follows in base64. */
const PREFIX = 'whsec_';

/**
 * The headers of a signed request.
 * @param key `whsec_` and 24 or more bytes in base64
 * @param id the same for each attempt to send one notification
 */
export function signatureHeaders(key: string, id: string, atMs: number, body: string): Record<string, string> {
  const timestamp = `${Math.floor(atMs / 1000)}`;
  const secret = Buffer.from(key.slice(PREFIX.length), 'base64');
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
