/** The seed of all properties of a run: TAGALONG_SEED, or random. The run prints it, so that a failure can be repeated. */
export const SEED = Number(process.env.TAGALONG_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.info(`TAGALONG_SEED=${SEED}`);
