/** Carries out runs on several threads. The result of a run does not depend on its thread. */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import type { Material, RunOrder, RunReport } from './carry-out.ts';
import { knowsFuture } from './run-policy.ts';

/** The answer of a thread to an order. It carries an error as code and message, because errors lose their class between threads. */
export type Answer =
  | { readonly report: RunReport }
  | { readonly fault: { readonly code: ErrorCode | undefined; readonly message: string } };

/** Nearly all objects are short-lived. A large young generation saves garbage collections, as for the command line itself. */
const YOUNG_MB = 192;

/**
 * Carries out all runs. The reports have the order of `orders`.
 * @param threads the number of threads at most; each needs the memory of one run
 * @throws TagalongError the error of the first run that fails; the other runs are ended
 */
export async function carryOutAll(
  orders: readonly RunOrder[],
  material: Material,
  threads: number,
): Promise<RunReport[]> {
  const reports = new Array<RunReport>(orders.length);
  const next = queue(orders);
  const workers = Array.from({ length: Math.min(threads, orders.length) }, () => startWorker(material));
  try {
    await Promise.all(
      workers.map(async (worker, number) => {
        for (let index = next(number); index !== undefined; index = next(number)) {
          reports[index] = await ask(worker, orders[index]!);
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return reports;
}

/**
 * The queue of the orders. The first thread begins with the planners, which share what they foresee, seed by seed; the others begin
 * with the other policies, in the order of the orders.
 * @returns the index of a thread's next order; undefined: none is left
 */
function queue(orders: readonly RunOrder[]): (thread: number) => number | undefined {
  const indexes = [...orders.keys()];
  const planned = indexes
    .filter((i) => knowsFuture(orders[i]!.policy))
    .sort((a, b) => orders[a]!.seed - orders[b]!.seed);
  const others = indexes.filter((i) => !knowsFuture(orders[i]!.policy));
  return (thread) => (thread === 0 ? (planned.shift() ?? others.shift()) : (others.shift() ?? planned.shift()));
}

function startWorker(material: Material): Worker {
  return new Worker(new URL('./crew.worker.ts', import.meta.url), {
    workerData: material,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
}

async function ask(worker: Worker, order: RunOrder): Promise<RunReport> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const atExit = () => reject(new Error('a thread of the simulation ended before its run did'));
  worker.once('message', resolve).once('error', reject).once('exit', atExit);
  worker.postMessage(order);
  try {
    const answer = await promise;
    if ('report' in answer) return answer.report;
    const { code, message } = answer.fault;
    throw code === undefined ? new Error(message) : new TagalongError(code, message);
  } finally {
    worker.off('message', resolve).off('error', reject).off('exit', atExit);
  }
}
