import { type FileHandle, stat } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, createGzip } from 'node:zlib';
import { record } from '#services/replay/recorder.ts';
import { loadConfig } from '#shared/config/load.ts';
import { TagalongError } from '#shared/errors.ts';
import { bytes, counted, duration } from '#shared/format.ts';
import { createLog } from '#shared/log.ts';
import { openBus } from '#shared/open.ts';
import { openOutput } from '../output/output.ts';
import { refuseMemory } from './run-service.ts';
import { aborted, stopRequest } from './signals.ts';

/** The options of `tagalong record`. */
export interface RecordOptions {
  readonly config: string;
  readonly out: string;
  readonly seconds?: number;
}

/**
 * Records until it is stopped or the time is over. Then it prints the numbers of recorded locations, users and VMs.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, USAGE, and the errors of opening the bus
 */
export async function runRecord({ config: path, out: outPath, seconds }: RecordOptions): Promise<void> {
  const config = await loadConfig(path);
  // The recorder needs the bus only.
  refuseMemory('record', { ...config, store: config.bus }, path);
  const stop = stopRequest();
  const file = await openTrace(outPath);
  const pseudonymous = config.ingest.pseudonymKey !== undefined;
  const out = new PassThrough();
  const written = outPath.endsWith('.gz')
    ? // zcat can read everything that was written, even if the recording is cut off.
      pipeline(out, createGzip({ flush: constants.Z_SYNC_FLUSH }), file.createWriteStream())
    : pipeline(out, file.createWriteStream());
  // The code below awaits it. This handler catches an error before that, while the bus is being opened.
  written.catch(() => {});
  const bus = await openBus(config, createLog(config.log.level));
  const begunMs = performance.now();
  try {
    const recording = await record({ bus, out, pseudonymous });
    const disguise = pseudonymous ? '' : '; users get pseudonyms of this recording alone';
    process.stderr.write(`recording to ${outPath}${disguise}\n`);
    const timeIsUp = seconds === undefined ? [] : [sleep(seconds * 1000, undefined, { signal: stop }).catch(() => {})];
    // A failed write also ends the recording.
    await Promise.race([aborted(stop), written, ...timeIsUp]);
    await recording.stop();
    out.end();
    await written;
    const { locations, users, vms } = recording.counts;
    const { size } = await stat(outPath);
    const what = `${counted(locations, 'location')} of ${counted(users, 'user')} and ${counted(vms, 'VM')}`;
    const took = duration(performance.now() - begunMs);
    process.stdout.write(`${what} in ${took}, ${bytes(size)} in ${outPath}\n`);
  } finally {
    out.destroy();
    await bus.close();
  }
}

/** The file holds users' positions: only its owner may read it. */
async function openTrace(path: string): Promise<FileHandle> {
  if (!/\.(ndjson|jsonl)(\.gz)?$/.test(path)) {
    throw new TagalongError('USAGE', `--out ${path}: must end in .ndjson or .ndjson.gz`);
  }
  return openOutput('--out', path);
}
