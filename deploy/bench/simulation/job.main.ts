/** A job in a process of its own, so that its memory and its compiled code are its alone: JSON in, JSON out. */
import { measureJob } from './job.ts';

process.stdout.write(JSON.stringify(await measureJob(JSON.parse(process.argv[2]!))));
