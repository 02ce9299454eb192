import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import type { Episode } from '../scorers/scorer.ts';

const letterOrDigit = /[\p{L}\p{N}]/u;
/** What programs write for nothing. Saying that one does not know is an honest answer and not among them. */
const nothing: ReadonlySet<string> = new Set(['none', 'null', 'undefined', 'n/a', 'nan', 'nil']);
const longestNothing = 16;
const open = '<answer>';
const close = '</answer>';

/** 1 when an answer of the episode was empty, else 0; a gold answer is never empty. */
export function detectEmptyAnswer({ turns, answers }: Episode): number {
  return turns.some((turn) => isEmptyAnswer(turn, answers)) ? 1 : 0;
}

/** Also of a turn that the environment refused: it refuses an element without text. */
export function isEmptyAnswer({ text, action }: Turn, answers: readonly string[]): boolean {
  if (action.case === 'answer') return saysNothing(action.value.text, answers);
  if (action.case !== 'violation') return false;
  const start = text.indexOf(open);
  const end = text.indexOf(close, start);
  return start >= 0 && end >= 0 && saysNothing(text.slice(start + open.length, end), answers);
}

function saysNothing(answer: string, answers: readonly string[]): boolean {
  if (!letterOrDigit.test(answer)) return !answers.includes(answer.trim());
  if (answer.length > longestNothing) return false;
  const word = answer.trim().toLowerCase().replace(/\.$/, '');
  return nothing.has(word) && !answers.some((gold) => gold.trim().toLowerCase() === word);
}
