/** Carries out runs on several threads. Which of them a run falls to changes nothing but when it is done. */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import type { Material, RunOrder, RunReport } from './carry-out.ts';

/** The answer of a thread to an order. It names an error by its code: classes are lost between threads. */
export type Answer =
  | { readonly report: RunReport }
  | { readonly fault: { readonly code: ErrorCode | undefined; readonly message: string } };

/** Young objects die young here: fewer collections, as for the command line itself. */
const YOUNG_MB = 192;

/**
 * The reports, in the order of the orders.
 * @param threads at most so many, each with the memory of one run
 * @throws TagalongError what the first run that failed threw; the others are ended
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
