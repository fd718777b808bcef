/** Carries out runs on several threads. The result of a run does not depend on its thread. */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import type { Material, RunOrder, RunReport } from './carry-out.ts';

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
  let next = 0;
  const workers = Array.from({ length: Math.min(threads, orders.length) }, () => startWorker(material));
  try {
    await Promise.all(
      workers.map(async (worker) => {
        while (next < orders.length) {
          const index = next++;
          reports[index] = await ask(worker, orders[index]!);
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return reports;
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
