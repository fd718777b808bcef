/** Limits the rates of a test bed's devices, as operators of wide-area paths do. */
import type { Topology } from './topology.ts';

type Rate = Pick<Topology['sites'][number]['uplinks'][number], 'rateBps'>;

/** A burst that keeps a timer of 1 kHz busy, and holds a few of the largest segments. */
const LEAST_BURST_BYTES = 64 * 1024;
/** The shortest queue; routers have similar ones. */
const QUEUE_MS = 40;

/**
 * The length of the queue before a path: at least a round trip, because Reno halves its window when the queue overflows, and
 * half a window has to fill the path.
 */
export function queueMs(rttMs: number): number {
  return Math.max(QUEUE_MS, rttMs);
}

/**
 * `tc -batch` lines that limit the rate at which packets leave a device. Tunnels of stretched LANs (VXLAN) have priority:
 * they carry users, and the rest are copies.
 * @param rttMs round trip of the longest path from here
 */
export function shapeLines(device: string, { rateBps }: Rate, rttMs: number): string[] {
  const rate = `${Math.round(rateBps * 8)}bit`;
  const burst = Math.max(LEAST_BURST_BYTES, Math.round(rateBps / 500));
  const queue = Math.max(LEAST_BURST_BYTES * 2, Math.round((rateBps * queueMs(rttMs)) / 1000));
  const leaf = (id: string, share: string, first: boolean) => [
    `class add dev ${device} parent 1:1 classid 1:${id} htb rate ${share} ceil ${rate} burst ${burst} cburst ${burst} quantum 60000 prio ${first ? 0 : 1}`,
    `qdisc add dev ${device} parent 1:${id} handle ${id}: bfifo limit ${queue}`,
  ];
  return [
    `qdisc replace dev ${device} root handle 1: htb default 20`,
    `class add dev ${device} parent 1: classid 1:1 htb rate ${rate} burst ${burst} cburst ${burst} quantum 60000`,
    ...leaf('10', `${Math.round(rateBps * 0.8)}bit`, true),
    ...leaf('20', `${Math.round(rateBps * 7.2)}bit`, false),
    `filter add dev ${device} parent 1: protocol ip prio 1 u32 match ip protocol 17 0xff match ip dport 4789 0xffff flowid 1:10`,
  ];
}

/** `tc -batch` lines that set another rate. 0 becomes the lowest possible rate, because a class must have one. */
export function rateLines(device: string, rateBps: number): string[] {
  const bits = Math.max(8000, Math.round(rateBps * 8));
  const burst = Math.max(LEAST_BURST_BYTES, Math.round(rateBps / 500));
  const change = (id: string, parent: string, share: number, prio: string) =>
    `class change dev ${device} parent ${parent} classid 1:${id} htb rate ${Math.round(bits * share)}bit ceil ${bits}bit burst ${burst} cburst ${burst} quantum 60000${prio}`;
  return [change('1', '1:', 1, ''), change('10', '1:1', 0.1, ' prio 0'), change('20', '1:1', 0.9, ' prio 1')];
}
