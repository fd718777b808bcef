/** Kafka is told its ports. Where another process has taken one meanwhile, it gets others. */
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

  test('is replaced, although another program takes connections there', { timeout: 120_000 }, async () => {
    const { port } = taken.address() as AddressInfo;
    const pick = vi.fn(freePorts).mockImplementationOnce(async () => [port, ...(await freePorts(1))]);
    const { brokers, stop } = await startKafka({}, pick);
    expect(pick).toHaveBeenCalledTimes(2);
    expect(brokers).not.toContain(`127.0.0.1:${port}`);
    await stop();
  });

  test('is not the reason of every failure: any other is thrown at once', { timeout: 120_000 }, async () => {
    const pick = vi.fn(freePorts);
    const failing = startKafka({ properties: { 'process.roles': 'nobody' } }, pick);
    await expect(failing).rejects.not.toHaveProperty('code');
    expect(pick).toHaveBeenCalledTimes(1);
  });
});
