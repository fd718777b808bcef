import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Config } from '#shared/config/schema.ts';
import type { RunResult } from '../engine.ts';
import type { PlannerInput } from './cheapest-route.ts';
import { type Foresight, foresightOf, type PlannedRunInput } from './foresight.ts';
import { type PricedMove, pricedRoute } from './priced-route.ts';
import { SLOT_MS, SlotPrices, type SlotSettings } from './slot-prices.ts';

/** The first step of the prices aims at a bound so many times the best one so far. */
const AIM = 1.05;
/** After so many rounds without a better bound the steps are halved. */
const PATIENCE = 3;

/**
 * A lower bound for the cost of any run under contention, by a Lagrangian relaxation: in each slot of 10 s, the moves from a site send at
 * most what its uplinks carry, and so do the moves to it. Instead of that limit, bytes have a price in each slot. Each VM then takes its
 * cheapest route, prices included, and what the prices earn on full uplinks is subtracted. No run can cost less, whatever the prices
 * are; rounds of a subgradient method raise the bound.
 *
 * Left out, as in `optimum`: slots, limits, filters, disks, and that a VM's next move waits for the end of the one before. A move is
 * taken to send each byte of memory once.
 * @param rounds so often the prices are changed
 */
export async function contendedBound(input: PlannedRunInput, rounds: number): Promise<RunResult> {
  const foresight = await foresightOf(input);
  const { stayed } = foresight;
  const settings = slotSettingsOf(foresight, input.sites, input.config);
  const prices = { from: new SlotPrices(settings), to: new SlotPrices(settings) };
  let best = { boundUserMs: Number.NEGATIVE_INFINITY, movingUserMs: 0, moves: 0 };
  let [step, since] = [1, 0];
  for (let round = 0; round <= rounds; round++) {
    const found = relaxed(foresight, prices, settings);
    if (found.boundUserMs > best.boundUserMs) [best, since] = [found, 0];
    else if (++since >= PATIENCE) [step, since] = [step / 2, 0];
    raise(prices, settings, step * (AIM * best.boundUserMs - found.boundUserMs));
  }
  const { boundUserMs: totalUserMs, movingUserMs, moves } = best;
  const { userHours } = stayed.cost;
  const servingUserMs = totalUserMs - movingUserMs;
  return {
    ...stayed,
    policy: `contended-bound(${rounds})`,
    isBound: true,
    decisions: {},
    migrations: { ...stayed.migrations, completed: moves },
    cost: {
      ...{ servingUserMs, movingUserMs, totalUserMs, userHours },
      meanExcessRttMs: userHours === 0 ? 0 : servingUserMs / (userHours * 3600),
    },
  };
}

type Prices = { readonly from: SlotPrices; readonly to: SlotPrices };

/** The bound at the present prices. Also counts what the routes send in each slot. */
function relaxed({ itineraries, inputFor }: Foresight, prices: Prices, settings: SlotSettings) {
  for (const each of [prices.from, prices.to]) {
    each.update();
    each.used.fill(0);
  }
  let [boundUserMs, movingUserMs, moves] = [0, 0, 0];
  for (const itinerary of itineraries.values()) {
    const { totalUserMs, lastMove } = pricedRoute(itinerary, inputFor(itinerary.spec), prices);
    boundUserMs += totalUserMs;
    for (let move: PricedMove | undefined = lastMove; move !== undefined; move = move.previous) {
      moves++;
      movingUserMs += move.userMs;
      if (!move.isPriced) continue;
      prices.from.use(move.from, move.first, move.last);
      prices.to.use(move.to, move.first, move.last);
    }
  }
  for (const { perByte } of [prices.from, prices.to]) {
    for (let i = 0; i < perByte.length; i++) {
      boundUserMs -= perByte[i]! * settings.bytesPerSlot[Math.floor(i / settings.slots)]!;
    }
  }
  return { boundUserMs, movingUserMs, moves };
}

/** Raises prices where routes send more than the uplinks carry, and lowers them elsewhere. @param missingUserMs what the bound is to gain */
function raise(prices: Prices, { bytesPerSlot, slots }: SlotSettings, missingUserMs: number): void {
  const both = [prices.from, prices.to];
  let squares = 0;
  const eachExcess = (then: (perByte: Float64Array, i: number, excess: number) => void) => {
    for (const { perByte, used } of both) {
      for (let i = 0; i < perByte.length; i++) {
        const excess = used[i]! - bytesPerSlot[Math.floor(i / slots)]!;
        if (excess > 0 || perByte[i]! > 0) then(perByte, i, excess);
      }
    }
  };
  eachExcess((_, __, excess) => {
    squares += excess * excess;
  });
  if (squares === 0) return;
  eachExcess((perByte, i, excess) => {
    perByte[i] = Math.max(0, perByte[i]! + (missingUserMs * excess) / squares);
  });
}

function slotSettingsOf(
  { itineraries, stayed: { fromMs, toMs }, inputFor }: Foresight,
  sites: readonly SiteSpec[],
  { move, policy }: Pick<Config, 'move' | 'policy'>,
): SlotSettings {
  const all = [...itineraries.values()];
  const inputs = new Set<PlannerInput['moveCosts']>(all.map(({ spec }) => inputFor(spec).moveCosts));
  const efficiency = Math.max(move.efficiency.single, move.efficiency.multi);
  return {
    sites: sites.length,
    fromMs,
    slots: Math.ceil((toMs - fromMs) / SLOT_MS) + 1,
    bytesPerSlot: Float64Array.from(
      sites,
      ({ uplinks }) => (efficiency * uplinks.reduce((sum, { rateBps }) => sum + rateBps, 0) * SLOT_MS) / 1000,
    ),
    moveBytes: all.reduce((least, { spec }) => Math.min(least, spec.ramBytes), Number.POSITIVE_INFINITY),
    aloneMs: Math.max(...[...inputs].map(({ longestMs }) => longestMs)),
    slowUserMsPerS:
      policy.slowdownUserMsPerS *
      all.reduce((least, { weights }) => Math.min(least, ...weights), Number.POSITIVE_INFINITY),
  };
}
