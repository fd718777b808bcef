/** What `nats-member.main.ts` says it has handled. */
export interface Handled {
  readonly key: string;
  /** The number of the event, of its key. */
  readonly n: number;
  readonly atNs: number;
}

/** The events of a key, in the order in which they were handled for the first time, whoever did it. */
export function firstHandled(handled: readonly Handled[], key: string): number[] {
  const own = handled.filter((event) => event.key === key).sort((a, b) => a.atNs - b.atNs);
  return [...new Set(own.map(({ n }) => n))];
}
