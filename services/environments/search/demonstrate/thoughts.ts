import type { Codec } from '../../kit/codec.ts';
import type { Random } from '../world/random.ts';
import type { Demonstration } from './demonstrator.ts';

/** How much a demonstrator thinks in front of each of its turns. */
export const thoughtNames = ['none', 'short', 'long'] as const;
export type ThoughtName = (typeof thoughtNames)[number];

export interface Thinker {
  readonly thought: ThoughtName;
  readonly question: string;
  /** Chance that a long thought in front of a search ends in a query with filters. */
  readonly filterRate: number;
  readonly codec: Codec;
  readonly random: Random;
}

/** What the chat template writes in front of a turn: it begins a thought, or closes it at once. */
export function thoughtOpening(thought: ThoughtName): string {
  return thought === 'none' ? '<think></think>' : '<think>';
}

/** Names that a long thought goes through, and those that it narrows a search with. */
const mostNames = 6;
const filterCount = 3;
const name = /\p{Lu}\p{L}+ \p{Lu}\p{L}+/gu;

/**
 * The same turns behind thoughts. A short one says what comes next. A long one first goes through names that the last result holds (through the
 * question, before the first), and may add three of them to a search as quoted phrases: they bring pages of their own, and the right one can fall out.
 */
export function* withThoughts(turns: Demonstration, thinker: Thinker): Demonstration {
  if (thinker.thought === 'none') return yield* turns;
  let result: string | undefined;
  for (let next = turns.next(); next.done !== true; next = turns.next(result)) {
    result = yield thoughtful(next.value, result, thinker);
  }
}

function thoughtful(turn: string, result: string | undefined, thinker: Thinker): string {
  const { thought, question, filterRate, codec, random } = thinker;
  const { aim, query } = aimOf(turn, codec);
  if (thought === 'short') return ` ${aim}. </think>${turn}`;
  if (result === undefined) return ` ${question} ${aim}. </think>${turn}`;
  const others = [...new Set(result.match(name))].filter((one) => !question.includes(one) && !aim.includes(one));
  const seen = random.shuffle(others).slice(0, filterCount + random.below(mostNames - filterCount + 1));
  const gone = seen.map((one) => `${one}, `).join('');
  if (query === undefined || seen.length < filterCount || random.next() >= filterRate)
    return ` ${gone}${aim}. </think>${turn}`;
  // A space stands inside the quotes, so that a word has the token that it has everywhere.
  const phrases = seen.slice(-filterCount).map((one) => `" ${one} "`);
  return ` ${gone}${aim} with these. </think>${codec.renderCall('websearch', { query: [query, ...phrases].join(' ') })}`;
}

/** In words what a turn does. A turn that breaks the format has no words. */
function aimOf(turn: string, codec: Codec): { readonly aim: string; readonly query?: string } {
  const parsed = codec.parse(turn);
  if (parsed.kind === 'violation') return { aim: '' };
  if (parsed.kind === 'answer') return { aim: `The answer is ${parsed.text}` };
  const { query, id } = parsed.args;
  if (parsed.name === 'websearch' && typeof query === 'string') return { aim: `The search is ${query}`, query };
  return { aim: `The page is ${String(id)}` };
}
