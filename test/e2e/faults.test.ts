import { describe, expect, test } from 'vitest';
import { file, tagalong } from './cli.ts';

/** Runs a failing command. @returns its exit status and its only line of output */
async function faultOf(args: readonly string[], env?: Record<string, string>) {
  const { code, stdout, stderr } = await tagalong(args, env);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^tagalong: [A-Z_]+: [^\n]+\n$/);
  return { code, line: stderr.trimEnd() };
}

describe('an invalid command line ends with status 2 and one line', () => {
  test.each([
    [[], 'choose one of'],
    [['fly'], 'there is no command "fly"; choose one of start'],
    [['statsu'], 'did you mean status?'],
    [['start', '--sped', '1'], 'Did you mean --speed?'],
    [['start', '--speed', '0'], 'above 0'],
    [['start', '--speed', 'fast'], 'or max'],
    [['start', '--port', '65536'], '65535'],
    [['start', '--log', '/nowhere/at/all.log', '--port', '0'], '--log /nowhere/at/all.log'],
    [['up'], '--config'],
    [['explain'], "'vm'"],
    [['migrate', 'desk'], '--to'],
    [['status', 'desk'], 'too many arguments'],
    [['status', '--url', 'localhost:8080'], 'http://HOST:PORT'],
    [['status', '--token', 'a token of sixteen'], '--token-file'],
    [['status', '--token-file', '/nowhere/at/all'], '--token-file /nowhere/at/all'],
    [['replay', '--trace', 'x.csv', '--speed', '1'], '--sites'],
    [['replay', '--trace', 'x.csv', '--speed', '1', '--format', 'kml'], 'csv, events, cabspotting, gpx'],
  ])('%j', async (args, says) => {
    const { code, line } = await faultOf(args);
    expect(line).toContain('tagalong: USAGE: ');
    expect(line).toContain(says);
    expect(code).toBe(2);
  });
});

describe('the error names the line and the field of', () => {
  test.each([
    ['policy:\n  margin: 0.5\n', 'CONFIG_INVALID', /tagalong\.yaml:2: policy\.margin: /],
    ['policy:\n  magrin: 2\n', 'CONFIG_INVALID', /tagalong\.yaml:2: .*magrin/],
    ['policy: {\n', 'CONFIG_UNREADABLE', /tagalong\.yaml:\d: /],
    ['# nothing\n', 'CONFIG_INVALID', /tagalong\.yaml:1: sites: there are none/],
  ])('the configuration %j', async (text, errorCode, where) => {
    const { code, line } = await faultOf(['up', '--config', await file('tagalong.yaml', text)]);
    expect(line).toContain(`tagalong: ${errorCode}: `);
    expect(line).toMatch(where);
    expect(code).toBe(2);
  });

  test.each([
    ['user,t,lat\nann,1000,52\n', 'TRACE_UNREADABLE', /trace\.csv:1: .*"lon"/],
    ['user,t,lat,lon\n', 'TRACE_UNREADABLE', /trace\.csv: has no position/],
    ['user,t,lat,lon\nann,never,52,4\n', 'TRACE_UNREADABLE', /trace\.csv:2: t: /],
  ])('the trace %j', async (text, errorCode, where) => {
    const sites = await file('sites.csv', 'site,lat,lon\nwest,52,4\n');
    const trace = await file('trace.csv', text);
    const { code, line } = await faultOf(['replay', '--trace', trace, '--sites', sites, '--speed', 'max', '--once']);
    expect(line).toContain(`tagalong: ${errorCode}: `);
    expect(line).toMatch(where);
    expect(code).toBe(2);
  });

  test('an unknown policy, with a suggestion', async () => {
    const { code, line } = await faultOf(['up', '--config', await file('tagalong.yaml', 'policy:\n  name: tagalog\n')]);
    expect(line).toMatch(/^tagalong: POLICY_UNKNOWN: .*tagalong\.yaml:2: policy\.name: .*did you mean tagalong\?$/);
    expect(code).toBe(2);
  });

  test('a wrong list of sites', async () => {
    const sites = await file('sites.csv', 'site,lat,lon\nwest,52,4\neast,91,4\n');
    const { code, line } = await faultOf(['replay', '--trace', 'x', '--sites', sites, '--speed', '1']);
    expect(line).toMatch(/^tagalong: SITES_INVALID: .*sites\.csv:3: lat: /);
    expect(code).toBe(2);
  });

  test('a missing file, without a line', async () => {
    expect(await faultOf(['up', '--config', '/nowhere/tagalong.yaml'])).toEqual({
      code: 2,
      line: expect.stringContaining('CONFIG_UNREADABLE: /nowhere/tagalong.yaml: '),
    });
  });
});

test.each([
  ['status'],
  ['explain', 'desk'],
  ['migrate', 'desk', '--to', 'west'],
  ['drain', 'west'],
  ['cancel', 'desk:1'],
])('%s fails with one line if no process answers', async (...args) => {
  // No program listens at port 9 (discard), and the system never assigns it.
  const { code, line } = await faultOf(args, { TAGALONG_URL: 'http://127.0.0.1:9' });
  expect(line).toMatch(/^tagalong: SERVER_UNREACHABLE: .*http:\/\/127\.0\.0\.1:9/);
  expect(code).toBe(1);
});

test('--help prints the commands, and ends with status 0', async () => {
  const { code, stdout, stderr } = await tagalong(['--help']);
  expect(stderr).toBe('');
  for (const command of ['start', 'up', 'replay', 'status', 'explain', 'migrate', 'drain', 'cancel']) {
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
  }
  expect(code).toBe(0);
});
