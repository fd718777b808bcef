/**
 * How flows that meet on a link share it: max-min fair, as equal TCP flows do in the long run and as flow-level
 * simulators assume. Progressive filling (Bertsekas and Gallager, Data Networks, 6.5.2): every flow grows at the same
 * pace until a link on its way is full; the flows of that link stop there, the others grow on.
 */

/**
 * The share of each flow, in the order of `flows`.
 * @param linkRatesBps the capacity of each link, bytes a second
 * @param flows for each flow the links it crosses, as indices of `linkRatesBps`; each link at most once
 * @returns bytes a second; Infinity for a flow that crosses no link
 */
export function maxMinShares(linkRatesBps: readonly number[], flows: readonly (readonly number[])[]): number[] {
  const freeBps = [...linkRatesBps];
  const growing = linkRatesBps.map(() => 0);
  const crossing: number[][] = linkRatesBps.map(() => []);
  flows.forEach((links, flow) => {
    for (const link of links) {
      growing[link]!++;
      crossing[link]!.push(flow);
    }
  });

  const shares = flows.map(() => Number.POSITIVE_INFINITY);
  const stopped = flows.map((links) => links.length === 0);
  for (;;) {
    const full = tightest(freeBps, growing);
    if (full === undefined) return shares;
    const shareBps = freeBps[full]! / growing[full]!;
    for (const flow of crossing[full]!) {
      if (stopped[flow]) continue;
      stopped[flow] = true;
      shares[flow] = shareBps;
      for (const link of flows[flow]!) {
        growing[link]!--;
        // Rounding must not leave a link with a negative rest: a flow would get a negative share of it.
        freeBps[link] = Math.max(0, freeBps[link]! - shareBps);
      }
    }
  }
}

/** The link that fills up first among those with growing flows. */
function tightest(freeBps: readonly number[], growing: readonly number[]): number | undefined {
  let found: number | undefined;
  let leastBps = Number.POSITIVE_INFINITY;
  for (let link = 0; link < freeBps.length; link++) {
    if (growing[link] === 0) continue;
    const shareBps = freeBps[link]! / growing[link]!;
    if (found === undefined || shareBps < leastBps) {
      found = link;
      leastBps = shareBps;
    }
  }
  return found;
}
