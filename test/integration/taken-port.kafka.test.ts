/** Kafka cannot pick its ports. If another process has taken one, Kafka starts again with others. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';

onKafka('a port that is taken', () => {
  let taken: Server;
  beforeEach(async () => {
    taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
  });
  afterEach(() => void taken.close());

  test('is replaced, although the other program accepts connections', { timeout: 120_000 }, async () => {
    const { port } = taken.address() as AddressInfo;
    const pick = vi.fn(freePorts).mockImplementationOnce(async () => [port, ...(await freePorts(1))]);
    const { brokers, stop } = await startKafka({}, pick);
    expect(pick).toHaveBeenCalledTimes(2);
    expect(brokers).not.toContain(`127.0.0.1:${port}`);
    await stop();
  });

  test('is the only reason for another attempt: another failure is thrown at once', { timeout: 120_000 }, async () => {
    const pick = vi.fn(freePorts);
    const failing = startKafka({ properties: { 'process.roles': 'nobody' } }, pick);
    await expect(failing).rejects.not.toHaveProperty('code');
    expect(pick).toHaveBeenCalledTimes(1);
  });
});
