import type { ScriptedQuestion } from './read-questions.ts';

/** Finds the question that a sequence of tokens begins with. */
export interface QuestionIndex {
  readonly size: number;
  readonly questions: readonly ScriptedQuestion[];
  /** The question with the longest prompt that `tokenIds` begins with. */
  find(tokenIds: readonly number[]): ScriptedQuestion | undefined;
}

interface Entry {
  readonly prompt: readonly number[];
  readonly question: ScriptedQuestion;
}

/** `encode` gives the tokens of a question's prompt. An engine has no memory of sessions, so it reads the sequence itself. */
export function createQuestionIndex(
  questions: readonly ScriptedQuestion[],
  encode: (question: string) => readonly number[],
): QuestionIndex {
  const byHash = new Map<number, Entry[]>();
  let longest = 0;
  for (const question of questions) {
    const prompt = encode(question.question);
    longest = Math.max(longest, prompt.length);
    const hash = prompt.reduce(hashOf, seed);
    byHash.set(hash, [...(byHash.get(hash) ?? []), { prompt, question }]);
  }
  return {
    size: questions.length,
    questions,
    find(tokenIds) {
      let found: ScriptedQuestion | undefined;
      let hash = seed;
      for (let length = 1; length <= Math.min(longest, tokenIds.length); length += 1) {
        hash = hashOf(hash, tokenIds[length - 1] ?? 0);
        const entry = byHash.get(hash)?.find(({ prompt }) => isPrefix(prompt, tokenIds, length));
        found = entry?.question ?? found;
      }
      return found;
    },
  };
}

/** FNV-1a over whole ids: each prefix costs one multiplication. */
const seed = 0x811c9dc5;
function hashOf(hash: number, id: number): number {
  return Math.imul(hash ^ id, 0x01000193);
}

function isPrefix(prompt: readonly number[], tokenIds: readonly number[], length: number): boolean {
  return prompt.length === length && prompt.every((id, index) => id === tokenIds[index]);
}
