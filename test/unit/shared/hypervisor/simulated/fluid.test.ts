import fc from 'fast-check';
import { expect, test } from 'vitest';
import { virtualClock } from '#shared/clock/virtual.ts';
import { FluidNetwork, type Route } from '#shared/hypervisor/simulated/fluid.ts';
import { DEFAULT_MOVE_MODEL } from '#shared/model/move-model.ts';
import { maxMinShares } from '#shared/model/sharing.ts';

const IDEAL = { ...DEFAULT_MOVE_MODEL, efficiency: { single: 1, multi: 1 }, hostRateBps: Number.POSITIVE_INFINITY };

function network(model = IDEAL) {
  const clock = virtualClock(0);
  const fluid = new FluidNetwork(clock, model);
  const sentAtMs: Record<string, number> = {};
  return {
    clock,
    fluid,
    sentAtMs,
    link: (id: string, rateBps: number) => fluid.setLink(id, rateBps),
    route: (...links: string[]) =>
      fluid.route(fluid.resolve(links.map((link) => ({ id: `over ${link}`, links: [link] })))),
    send: (name: string, route: Route, bytes: number, slowdown = 1) =>
      fluid.send(route, bytes, slowdown, () => {
        sentAtMs[name] = clock.now();
      }),
    settle() {
      while (clock.step(Number.POSITIVE_INFINITY));
    },
  };
}

test('a transfer alone takes bytes ÷ rate', () => {
  const { link, route, send, settle, sentAtMs } = network();
  link('a', 1000);
  send('one', route('a'), 5000);
  settle();
  expect(sentAtMs).toEqual({ one: 5000 });
});

test('a later transfer slows the first down until it ends', () => {
  const { clock, link, route, send, settle, sentAtMs } = network();
  link('a', 1000);
  send('first', route('a'), 4000);
  clock.advanceTo(2000);
  send('second', route('a'), 500);
  settle();
  // The first sends 2000 bytes alone, 500 at half the rate until the second has ended, and 1500 alone.
  expect(sentAtMs).toEqual({ second: 3000, first: 4500 });
});

test('a cancelled transfer frees its share, gives no answer, and keeps its count of bytes', () => {
  const { clock, link, route, send, settle, sentAtMs } = network();
  link('a', 1000);
  const backed = route('a');
  const takeBack = send('taken back', backed, 1e6);
  send('other', route('a'), 3000);
  clock.advanceTo(2000);
  takeBack();
  settle();
  expect(sentAtMs).toEqual({ other: 4000 });
  expect(backed.subflows[0]!.sentBytes).toBe(1000);
});

test('a transfer uses all its paths, and each path counts its part', () => {
  const { link, route, send, settle, sentAtMs } = network();
  link('fast', 3000);
  link('slow', 1000);
  const both = route('fast', 'slow');
  send('both', both, 8000);
  settle();
  expect(sentAtMs).toEqual({ both: 2000 });
  expect(both.subflows.map(({ path, sentBytes }) => [path, sentBytes])).toEqual([
    ['over fast', 6000],
    ['over slow', 2000],
  ]);
});

test('transfers have the efficiency and the host limit of the model', () => {
  const { link, route, send, settle, sentAtMs } = network({
    ...IDEAL,
    efficiency: { single: 0.5, multi: 0.8 },
    hostRateBps: 1200,
  });
  for (const id of ['a', 'b', 'c', 'd', 'e']) link(id, 1000);
  send('single', route('a'), 1000);
  send('multi', route('b', 'c'), 1200);
  send('multi slowed', route('d', 'e'), 1600, 2);
  settle();
  expect(sentAtMs).toEqual({ single: 2000, multi: 1000, 'multi slowed': 2000 });
});

test('a transfer goes on over the other paths after one dies, and waits without any', () => {
  const { clock, link, route, send, settle, sentAtMs } = network();
  link('a', 1000);
  link('b', 1000);
  const both = route('a', 'b');
  send('both', both, 6000);
  clock.advanceTo(1000);
  link('b', 0);
  clock.advanceTo(2000);
  expect(both.fewestSubflows).toBe(1);
  link('a', 0);
  clock.advanceTo(60_000);
  expect(sentAtMs).toEqual({});
  link('a', 1000);
  settle();
  expect(sentAtMs).toEqual({ both: 63_000 });
});

test('transfers that share no link do not slow each other', () => {
  const { link, route, send, settle, sentAtMs } = network();
  link('a', 1000);
  link('b', 1000);
  send('one', route('a'), 1000);
  send('other', route('b'), 1000);
  settle();
  expect(sentAtMs).toEqual({ one: 1000, other: 1000 });
});

test('the shares are always max-min fair, although only connected transfers are computed again', () => {
  const LINKS = ['a', 'b', 'c', 'd', 'e', 'f'];
  const happenings = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('send' as const),
        paths: fc.array(fc.uniqueArray(fc.constantFrom(...LINKS), { minLength: 2, maxLength: 2 }), {
          minLength: 1,
          maxLength: 2,
        }),
        bytes: fc.integer({ min: 1, max: 20_000 }),
      }),
      fc.record({ kind: fc.constant('take back' as const), which: fc.nat() }),
      fc.record({ kind: fc.constant('set link' as const), link: fc.constantFrom(...LINKS), rateBps: fc.nat(2000) }),
    ),
    { minLength: 5, maxLength: 40 },
  );
  fc.assert(
    fc.property(happenings, fc.array(fc.nat(3000), { minLength: 40, maxLength: 40 }), (steps, pausesMs) => {
      const { clock, fluid } = network();
      const rates = new Map(LINKS.map((link, i) => [link, 1000 + 100 * i]));
      for (const [link, rateBps] of rates) fluid.setLink(link, rateBps);
      const sending = new Map<Route, { links: string[][]; takeBack: () => void }>();

      steps.forEach((step, i) => {
        if (step.kind === 'send') {
          const route = fluid.route(fluid.resolve(step.paths.map((links, path) => ({ id: `${path}`, links }))));
          const takeBack = fluid.send(route, step.bytes, 1, () => sending.delete(route));
          sending.set(route, { links: step.paths, takeBack });
        } else if (step.kind === 'set link') {
          rates.set(step.link, step.rateBps);
          fluid.setLink(step.link, step.rateBps);
        } else if (sending.size > 0) {
          const [route, { takeBack }] = [...sending][step.which % sending.size]!;
          takeBack();
          sending.delete(route);
        }
        clock.advanceTo(clock.now() + pausesMs[i]!);
        const flows = [...sending.values()].flatMap(({ links }) =>
          links.map((ids) => ids.map((id) => LINKS.indexOf(id))),
        );
        const expected = maxMinShares([...rates.values()], flows);
        const shares = [...sending.keys()].flatMap(({ subflows }) => subflows.map(({ shareBps }) => shareBps));
        shares.forEach((shareBps, flow) => {
          expect(shareBps).toBeCloseTo(expected[flow]!, 6);
        });
      });
    }),
  );
});

test('a listener may cancel another transfer that ends at the same instant', () => {
  const { clock, fluid, link, route, settle } = network();
  link('a', 1000);
  link('b', 1000);
  const ended: string[] = [];
  fluid.send(route('a'), 1000, 1, () => {
    ended.push('first');
    takeBack();
  });
  const takeBack = fluid.send(route('b'), 1000, 1, () => ended.push('second'));
  settle();
  expect(ended).toEqual(['first']);
  expect(clock.now()).toBe(1000);
});

test('ended and cancelled transfers leave no flow on a link, and no timer', () => {
  const { clock, link, route, send, settle } = network();
  link('a', 1000);
  link('b', 500);
  const routes = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? route('a', 'b') : route('a')));
  const takeBack = routes.map((each, i) => send(`${i}`, each, 1000 + i));
  clock.advanceTo(3000);
  for (const cancel of takeBack.slice(10)) cancel();
  settle();
  expect(clock.nextMs()).toBeUndefined();
  for (const { subflows } of routes) {
    for (const { links, shareBps } of subflows) {
      expect(shareBps).toBe(0);
      for (const { crossing } of links) expect(crossing.size).toBe(0);
    }
  }
});
