/**
 * Our own colours, distinguished from escape sequences in text from outside: while a text is put together ours carry a number that
 * nobody outside can know, and the terminal lets nothing else through.
 */
import { randomInt } from 'node:crypto';
import pc from 'picocolors';
import { visibleText } from '#platform/text/visible-text.ts';

type Paint = (text: string) => string;

export interface Colours {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
}

/** In the form of one more parameter, so that tables count no width for it. */
const secret = randomInt(100_000_000, 1_000_000_000);
const own = new RegExp(`\u001B\\[${secret};(\\d{1,2})m`, 'u');

export function createColours(enabled: boolean): Colours {
  const { bold, dim, red, green } = pc.createColors(enabled);
  const ours = (paint: Paint): Paint =>
    enabled
      ? (text) => paint(shownCell(text)).replaceAll(/\u001B\[(\d{1,2})m/g, `\u001B[${secret};$1m`)
      : (text) => text;
  return { bold: ours(bold), dim: ours(dim), red: ours(red), green: ours(green) };
}

/** By the environment and by where results go: a file or a pipe gets plain text, also where CI would like colours. */
export function wantsColours(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return isTerminal && env['TERM'] !== 'dumb';
}

/** What a terminal is given for a text: our colours, and everything else that it would act on as escapes. */
export function shownText(text: string, ourSequence: (code: string) => string = toTerminal): string {
  // `split` with a group gives what is between our sequences, and their codes in turn.
  return text
    .split(own)
    .map((part, at) => (at % 2 === 0 ? visibleText(part) : ourSequence(part)))
    .join('');
}

/** A text with our colours still marked, for a table that measures it and is shown later. */
export const shownCell = (text: string): string => shownText(text, keep);

const toTerminal = (code: string): string => `\u001B[${code}m`;
const keep = (code: string): string => `\u001B[${secret};${code}m`;
