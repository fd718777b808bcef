/** Runs a job in a process of its own, so that no other job affects its memory and compiled code. It reads JSON and writes JSON. */
import { measureJob } from './job.ts';

process.stdout.write(JSON.stringify(await measureJob(JSON.parse(process.argv[2]!))));
