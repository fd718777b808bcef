import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addTraceOptions, columnsOption, traceOf } from '#deploy/cli/commands/trace-options.ts';
import { lossWords, samplingWords } from '#services/replay/traces/words.ts';
import { temporaryFolder } from '../../../services/replay/traces/folder.ts';

const folder = temporaryFolder();
const parsed = (...args: string[]) => {
  const command = addTraceOptions(new Command().exitOverride().configureOutput({ writeErr: () => {} }));
  return command.parse(args, { from: 'user' }).opts();
};

describe('the columns of CSV', () => {
  it('are named as pairs of a field and its column', () => {
    expect(columnsOption('user=cab_id, t=ts,lat=latitude,lon=longitude')).toEqual({
      user: 'cab_id',
      t: 'ts',
      lat: 'latitude',
      lon: 'longitude',
    });
    expect(columnsOption('t=a=b')).toEqual({ t: 'a=b' });
  });

  it.each(['', 'user', 'user=', '=x', 'time=ts', 'user=a,user=b', 'user=a,'])('"%s" is refused', (text) => {
    expect(() => parsed('--columns', text)).toThrow(/give user, t, lat, lon once each, as user=cab_id,t=ts/);
  });
});

describe('steady positions', () => {
  it.each(['0', '0.05', '-1', 'often', '90000', 'Infinity'])('refuse an interval of "%s" seconds', (text) => {
    expect(() => parsed('--every-seconds', text)).toThrow(/Give seconds from 0.1 to 86400/);
  });

  it('are made on request, and the report names the default gap', async () => {
    const path = folder.write('two.csv', 'user,t,lat,lon\nann,0,1,2\nann,20,1,4\nann,x,1,4\n');
    const trace = await traceOf(path, parsed('--every-seconds', '10'));
    for await (const _ of trace.batches());
    const words = 'every 10.0 s, silences over 5 min 00 s left open: 3 positions in 1 session';
    expect(samplingWords(trace.report)).toBe(words);
    expect(lossWords(trace.report)).toMatch(/^; 1 bad row skipped, the first: .*two\.csv:4: t: "x"/);
    expect(samplingWords((await traceOf(path, {})).report)).toBe('as recorded');
  });

  it('are necessary for a gap', async () => {
    await expect(traceOf('none.csv', parsed('--gap-seconds', '10'))).rejects.toMatchObject({ code: 'USAGE' });
  });
});

it('--format takes the name of a format, and refuses others', () => {
  expect(parsed('--format', 'sumo-fcd')).toEqual({ format: 'sumo-fcd' });
  expect(() => parsed('--format', 'kml')).toThrow(/Allowed choices are csv, events, /);
});
