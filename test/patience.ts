/**
 * How long `vi.waitFor` and `expect.poll` wait for something that has to come, and how often they look: long enough for a busy
 * machine, as a test that passes does not wait any longer than it has to.
 */
export const PATIENTLY = { timeout: 60_000, interval: 50 };
