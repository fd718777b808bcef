/** Each service runs as its own process, on a real NATS server. */
import { expect, test } from 'vitest';
import { onNats, startNats } from '../servers/nats.ts';
import { file, tagalong } from './cli.ts';
import { servicesOn } from './services-on.ts';

test.each(['ingest', 'placement', 'migrator', 'monitor'])('%s alone refuses a bus in memory', async (service) => {
  const config = await file('tagalong.yaml', 'sites: []');
  const { code, stdout, stderr } = await tagalong([service, '--config', config]);
  expect(stderr).toMatch(/^tagalong: CONFIG_INVALID: .*bus\.url: memory: .*tagalong up"\n$/);
  expect([code, stdout]).toEqual([2, '']);
});

onNats('services as separate processes on NATS', () => servicesOn(() => startNats()));
