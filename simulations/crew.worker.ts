/** A thread of {@link carryOutAll}: it carries out one order after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { TagalongError } from '#shared/errors.ts';
import { carryOut, type Material, type RunOrder } from './carry-out.ts';
import type { Answer } from './crew.ts';

parentPort!.on('message', async (order: RunOrder) => {
  parentPort!.postMessage(await answerTo(order));
});

async function answerTo(order: RunOrder): Promise<Answer> {
  try {
    return { report: await carryOut(order, workerData as Material) };
  } catch (error) {
    const code = error instanceof TagalongError ? error.code : undefined;
    const message = error instanceof Error ? error.message : String(error);
    return { fault: { code, message } };
  }
}
