/** One seed for all properties of a run: from TAGALONG_SEED, else random. Printed, so that a failure can be repeated. */
export const SEED = Number(process.env.TAGALONG_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.info(`TAGALONG_SEED=${SEED}`);
