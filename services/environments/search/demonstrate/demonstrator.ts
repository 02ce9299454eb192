import type { Codec } from '../../kit/codec.ts';
import type { Random } from '../world/random.ts';
import { faultNames, type Mixture, type Fault, type Kind } from './mixture.ts';
import type { Plan } from './plan.ts';

/** Yields turns, receives the environment's text after each; the last turn is an answer. */
export type Demonstration = Generator<string, void, string>;

export interface Demonstrator {
  readonly kind: Kind;
  readonly plan: Plan;
  /** What to answer when there is nothing better. */
  readonly guess: string;
  readonly mixture: Mixture;
  readonly codec: Codec;
  /** Malformed turns that the environment forgives. */
  readonly forgiven: number;
  readonly random: Random;
}

/** Ends a turn that lacks its stop string: the tokenizer's end of sequence. */
export const endOfTurn = '<|end|>';

interface Memory {
  /** The last search's turn and hits. */
  search: string | undefined;
  hits: readonly VisibleHit[];
  violations: number;
}

export function* demonstrate(who: Demonstrator): Demonstration {
  const { kind, plan, codec, mixture, random, guess } = who;
  const answer = (text: string): string => codec.renderAnswer(text);
  if (kind === 'guess') return void (yield answer(guess));
  const hops = kind === 'early' ? plan.hops.slice(0, -1) : plan.hops;
  const skipsScrape = random.next() < mixture.skip_scrape;
  const memory: Memory = { search: undefined, hits: [], violations: 0 };
  let known = guess;
  for (const hop of hops) {
    const search = codec.renderCall('websearch', { query: hop.query });
    const result = yield* turn(search, who, memory);
    memory.search = search;
    memory.hits = hitsIn(result, hop.pageTitle);
    const page = memory.hits.find((hit) => hit.title === hop.pageTitle);
    // The page is not among the hits: nothing more to find on this way.
    if (page === undefined) return void (yield answer(known));
    if (!skipsScrape || !page.line.includes(hop.answer)) {
      yield* turn(codec.renderCall('scrape', { id: page.id }), who, memory);
    }
    known = hop.answer;
  }
  yield* turn(answer(known), who, memory);
}

/** A proper turn, maybe after a fault; gives the environment's text for it. */
function* turn(proper: string, who: Demonstrator, memory: Memory): Generator<string, string, string> {
  const { kind, mixture, random } = who;
  // At most one fault a turn: the notice is heeded.
  if (mixture.faulty.includes(kind) && random.next() < mixture.fault_rate) {
    const possible = faultNames.filter((fault) => mixture.faults[fault] > 0 && isPossible(fault, who, memory));
    if (possible.length > 0) {
      const fault = random.weighted(possible.map((name) => [name, mixture.faults[name]] as const));
      if (isViolation(fault)) memory.violations += 1;
      yield faultyTurn(fault, proper, who, memory);
    }
  }
  return yield proper;
}

function isViolation(fault: Fault): boolean {
  return fault !== 'wrong_hit' && fault !== 'repeated_search';
}

function isPossible(fault: Fault, { forgiven }: Demonstrator, memory: Memory): boolean {
  switch (fault) {
    case 'wrong_hit':
      return memory.hits.length > 1;
    case 'repeated_search':
      return memory.search !== undefined;
    case 'unknown_tool':
    case 'broken_json':
    case 'missing_close':
    case 'two_calls':
      return memory.violations < forgiven;
  }
}

function faultyTurn(
  fault: Fault,
  proper: string,
  { plan, mixture, codec, random }: Demonstrator,
  memory: Memory,
): string {
  const [callStop = '', answerStop = ''] = codec.stop;
  const entity = random.pick([plan.hops[0]?.query ?? plan.answer, ...memory.hits.map(({ title }) => title)]);
  const call = codec.renderCall('websearch', { query: entity });
  switch (fault) {
    case 'unknown_tool':
      return codec.renderCall(random.pick(mixture.unknown_tools), { query: entity });
    case 'broken_json':
      return call.replace(`}}${callStop}`, `}${callStop}`);
    case 'missing_close':
      return (
        (proper.endsWith(callStop) ? proper.slice(0, -callStop.length) : proper.slice(0, -answerStop.length)) +
        endOfTurn
      );
    case 'two_calls':
      // The turn ends at the first stop string, so two calls are two openings.
      return call.slice(0, -callStop.length) + call;
    case 'wrong_hit':
      return codec.renderCall('scrape', { id: memory.hits.at(-1)?.id ?? '' });
    case 'repeated_search':
      return memory.search ?? call;
  }
}

interface VisibleHit {
  readonly id: string;
  readonly title: string;
  readonly line: string;
}

const hitLine = /\[([^\]\s]+)\] (.+)/g;

/** The hits as the policy sees them, in their order. A title may itself contain `: `, so the wanted one is tried first. */
export function hitsIn(result: string, wantedTitle: string): readonly VisibleHit[] {
  return [...result.matchAll(hitLine)].map(([, id = '', rest = '']) => ({
    id,
    title: rest.startsWith(`${wantedTitle}: `) ? wantedTitle : (rest.split(': ', 1)[0] ?? ''),
    line: rest,
  }));
}
