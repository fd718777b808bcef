/**
 * The time limit of `vi.waitFor` and `expect.poll` on a busy machine, and their interval. A passing test waits no longer than
 * necessary.
 */
export const PATIENTLY = { timeout: 60_000, interval: 50 };
