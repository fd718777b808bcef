/** The delay and loss of a cable, for every kernel that carries them out. */
import type { Impairment } from './topology.ts';

/** Bytes of the smallest packet; so many of them have to fit into what is under way. */
const SMALLEST_BYTES = 64;
/** Packets that fit into a cable that hardly takes time. */
const LEAST_PACKETS = 1000;

/** The names of a cable's loose ends, in the namespace where it is made. */
export function looseEnds(cable: number): readonly [string, string] {
  return [`end${cable}a`, `end${cable}b`];
}

/** `tc -batch` lines: what comes in at one device leaves by the other, late or never; and the other way round. */
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
