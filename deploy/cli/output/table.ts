import Table from 'cli-table3';
import { withoutControls } from '#shared/text.ts';
import { styled } from './styled.ts';

/** A column: its heading, and its alignment. */
export interface Column {
  readonly head: string;
  readonly align?: 'left' | 'right';
}

const NO_RULES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Rows of text under headings, for standard output: no rules, columns two blanks apart. Ends in a line break. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({
    head: columns.map(({ head }) => styled('bold', head)),
    colAligns: columns.map(({ align = 'left' }) => align),
    chars: NO_RULES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) drawn.push(row.map(fitCell));
  const lines = drawn.toString().split('\n');
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** A colour, as `styleText` begins and ends it. */
const COLOUR = new RegExp(`(${String.fromCharCode(27)}\\[\\d{1,2}m)`);

/** Removes all control sequences but colours: cells contain names and reasons of others. */
function fitCell(text: string): string {
  const parts = text.split(COLOUR);
  return parts.map((part, i) => (i % 2 === 1 ? part : withoutControls(part))).join('');
}
