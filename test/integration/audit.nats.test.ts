/** The audit on a real NATS server: kept for a time of its own, and complete after an outage. */
import { randomUUID } from 'node:crypto';
import { connect } from 'nats';
import { expect, test, vi } from 'vitest';
import { createAuditTrail } from '#services/runtime/audit-trail.ts';
import { createHttp } from '#services/runtime/http.ts';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { realClock } from '#shared/clock/real.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { recordOf } from '../contract/bus-audit.ts';
import { PATIENTLY } from '../patience.ts';
import { onNats, startNats } from '../servers/nats.ts';

const TOKEN = 'a token of more than sixteen';
const ALL = { sinceMs: 0, most: 1_000, fits: () => true };

onNats('the audit on NATS', () => {
  test('outlives the other events', async () => {
    const server = await startNats();
    const prefix = `t${randomUUID().slice(0, 8)}`;
    const bus = await natsBus({ servers: server.url, prefix, maxAgeMs: 3_600_000, auditMaxAgeMs: 7_200_000 });
    const nc = await connect({ servers: server.url });
    try {
      await bus.publish([recordOf('maria', 1)]);
      const { streams } = await nc.jetstreamManager();
      const ageOf = async (stream: string) => (await streams.info(`${prefix}_${stream}`)).config.max_age / 1e6;
      expect([await ageOf('events'), await ageOf('audit')]).toEqual([3_600_000, 7_200_000]);
      await streams.purge(`${prefix}_events`);
      expect(await bus.audited(ALL)).toHaveLength(1);
    } finally {
      await nc.close();
      await bus.close();
      await server.stop();
    }
  });

  test('an order is served while the bus is down, and its record arrives when the bus is back', {
    timeout: 90_000,
  }, async () => {
    const server = await startNats();
    const lines: string[] = [];
    const log = createLog('info', { write: (line) => void lines.push(line) });
    const bus = await natsBus({ servers: server.url, prefix: `t${randomUUID().slice(0, 8)}` });
    const trail = createAuditTrail({ bus, clock: realClock(), log });
    const surface = await createHttp({ config: { ...DEFAULT_CONFIG.http, port: 0, token: TOKEN }, log, trail });
    try {
      surface.app.put('/v1/order', { config: { access: 'operate' } }, async () => ({ done: true }));
      const { url } = await surface.listen();
      const headers = { authorization: `Bearer ${TOKEN}` };
      await server.kill();
      for (let i = 0; i < 3; i++) {
        const response = await fetch(`${url}/v1/order`, { method: 'PUT', headers });
        expect(response.status).toBe(200);
      }
      const told = () => lines.filter((line) => line.includes('PUT /v1/order'));
      await vi.waitFor(() => expect(told()).toHaveLength(3), PATIENTLY);
      await server.restart();
      await vi.waitFor(async () => expect(await bus.audited(ALL)).toHaveLength(3), { ...PATIENTLY, timeout: 60_000 });
      expect(trail.lost).toBe(0);
    } finally {
      await surface.close();
      await trail.stop();
      await bus.close();
      await server.stop();
    }
  });
});
