/** An event that `nats-member.main.ts` has handled, as it prints it. */
export interface Handled {
  readonly key: string;
  /** The number of the event among those of its key. */
  readonly n: number;
  readonly atNs: number;
}

/** The numbers of the events of a key, in the order in which any member handled them first. */
export function firstHandled(handled: readonly Handled[], key: string): number[] {
  const own = handled.filter((event) => event.key === key).sort((a, b) => a.atNs - b.atNs);
  return [...new Set(own.map(({ n }) => n))];
}
