/** The `tc` lines for the delay and loss of a cable, on any kernel with netem. */
import type { Impairment } from './topology.ts';

/** Bytes of the smallest packet. The queue must have room for as many of them as can be in flight. */
const SMALLEST_BYTES = 64;
/** Packets in the queue of a cable with hardly any delay. */
const LEAST_PACKETS = 1000;

/** The names of a cable's loose ends in the namespace in which it is created. */
export function looseEnds(cable: number): readonly [string, string] {
  return [`end${cable}a`, `end${cable}b`];
}

/** `tc -batch` lines: each packet that enters one device leaves by the other, with delay or loss, in both directions. */
export function delayLines(devices: readonly [string, string], impairment: Impairment): string[] {
  const { delayMs, lossPercent, rateBps } = impairment;
  const limit = LEAST_PACKETS + Math.ceil((rateBps * delayMs) / 1000 / SMALLEST_BYTES);
  const loss = lossPercent > 0 ? ` loss random ${lossPercent}%` : '';
  const [a, b] = devices;
  return [
    [a, b],
    [b, a],
  ].flatMap(([from, to]) => [
    `qdisc add dev ${from} root netem limit ${limit} delay ${delayMs}ms${loss}`,
    `qdisc add dev ${from} ingress`,
    `filter add dev ${from} parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ${to}`,
  ]);
}
