/** Makes the last lines of a test run: the slowest files, skipped tests by name, failed tests, and the closing line. */

/** The part of a report of vitest's JSON reporter that this file reads. */
export interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly FileResult[];
}

interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly fullName: string;
    readonly failureMessages?: readonly string[];
  }[];
}

const SLOWEST = 10;
const REASON_CHARS = 400;

/**
 * @param reports the reports by group; undefined for a group that did not end
 * @param root the folder that names of files are relative to
 * @returns the lines to print, the closing line, and whether the run is well: some tests passed, and none failed
 */
export function outcome(
  reports: ReadonlyMap<string, Report | undefined>,
  root: string,
): { readonly lines: string[]; readonly closing: string; readonly well: boolean } {
  const unfinished = [...reports].filter(([, report]) => report === undefined).map(([group]) => group);
  const finished = [...reports.values()].filter((report) => report !== undefined);
  const files = finished.flatMap(({ testResults }) => testResults);
  const short = (name: string) => name.replace(root, '');

  const skipped = files
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
    .map(({ fullName }) => fullName);
  const failedTests = files.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages = [] }) => `${short(name)}: ${fullName}: ${reasonOf(failureMessages)}`),
  );
  // These failed in a hook, or when they were loaded.
  const broken = files.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const seconds = ({ startTime, endTime }: FileResult) => (endTime - startTime) / 1000;
  const slowest = files.toSorted((a, b) => seconds(b) - seconds(a)).slice(0, SLOWEST);

  const passed = finished.reduce((sum, { numPassedTests }) => sum + numPassedTests, 0);
  const failed =
    finished.reduce((sum, { numFailedTests }) => sum + numFailedTests, 0) + broken.length + unfinished.length;
  return {
    lines: [
      ...slowest.map((file) => `slowest: ${seconds(file).toFixed(1).padStart(6)} s  ${short(file.name)}`),
      ...skipped.map((name) => `skipped: ${name}`),
      ...failedTests.map((name) => `failed: ${name}`),
      ...broken.map(({ name, message }) => `failed as a whole: ${short(name)}: ${message.split('\n')[0]}`),
      ...unfinished.map((group) => `failed as a whole: the group "${group}" did not come to its end`),
    ],
    closing: `${passed} passed, ${failed} failed${skipped.length === 0 ? '' : `, ${skipped.length} skipped`}`,
    well: passed > 0 && failed === 0,
  };
}

/** The messages without their stacks, short enough for the end of a log. */
function reasonOf(messages: readonly string[]): string {
  return messages
    .map((message) =>
      message
        .split(/\n\s+at /, 1)[0]!
        .replaceAll(/\s+/g, ' ')
        .slice(0, REASON_CHARS),
    )
    .join('; ');
}
