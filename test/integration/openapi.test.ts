import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { openapi, registerOpenapi } from '#services/process/openapi.ts';
import { createSystem } from '#services/process/system.ts';
import { createHttp } from '#services/runtime/http.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { DEFAULT_CONFIG, parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';

const log = createLog('silent');

test('the served document is OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(openapi(DEFAULT_CONFIG) as Record<string, unknown>);
  expect(errors ?? [], 'what is wrong with it').toEqual([]);
  expect(valid).toBe(true);
  const { http } = parseConfig('http: { port: 0, token: "a token of more than sixteen" }', 'test');
  const surface = await createHttp({ config: http, log });
  registerOpenapi(surface, DEFAULT_CONFIG);
  const { url } = await surface.listen();
  try {
    expect(await (await fetch(`${url}/openapi.json`)).json()).toEqual(
      JSON.parse(JSON.stringify(openapi(DEFAULT_CONFIG))),
    );
  } finally {
    await surface.close();
  }
});

test('the document has every route, and no other', async () => {
  const routes = new Set<string>();
  const config = parseConfig('', 'test');
  const system = createSystem({ config, clock: realClock(), bus: memoryBus(), store: memoryStore(), log });
  const surface = await createHttp({ config: config.http, log });
  surface.app.addHook('onRoute', ({ method, path }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') routes.add(`${one.toLowerCase()} ${path}`);
  });
  system.registerHttp(surface);
  await surface.close();
  await system.stop();
  const { paths } = openapi(DEFAULT_CONFIG) as { paths: Record<string, object> };
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
  expect(routes.size).toBeGreaterThan(15);
  // createHttp registers the routes of health before the hook above exists.
  const own = described.filter((route) => !/\/(healthz|readyz)/.test(route));
  // Pages and their assets are for browsers.
  const asked = [...routes].filter((route) => !/^get \/(assets\/.+|follow-me)?$/.test(route));
  expect(own.sort()).toEqual(asked.sort());
});
