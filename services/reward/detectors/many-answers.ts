import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import type { Episode } from '../scorers/scorer.ts';

/** 1 - 1/n for n answers; 0 for one or none. */
export function detectManyAnswers({ turns }: Episode): number {
  const count = countAnswers(turns);
  return count > 1 ? 1 - 1 / count : 0;
}

/**
 * The most answer elements of one turn, or the turns that the environment took for an answer, whichever is more. An answer that
 * was refused as malformed and then written again is one.
 */
export function countAnswers(turns: readonly Turn[]): number {
  let accepted = 0;
  let inOneTurn = 0;
  for (const { text, action } of turns) {
    if (action.case === 'answer') accepted += 1;
    const said = action.case === 'violation' && action.value.code === 'many_answers' ? 2 : 0;
    inOneTurn = Math.max(inOneTurn, said, occurrences(text, '<answer>'), occurrences(text, '</answer>'));
  }
  return Math.max(accepted, inOneTurn);
}

function occurrences(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count += 1;
  return count;
}
