import { TerminalError } from '#platform/errors.ts';
import type { MuSiqueParagraph, MuSiqueRow } from '#questions/musique/musique-row.ts';
import type { Entity, Fact, SubWorld } from './entities.ts';
import type { Random } from './random.ts';
import { aliasSentence } from './relations.ts';

/** Hops of the 10,325 questions of Jan-nano: 7000 / 2150 / 1175. */
const hopShares = [
  { hops: 2, share: 0.678 },
  { hops: 3, share: 0.208 },
  { hops: 4, share: 0.114 },
] as const;

const idPrefix: Readonly<Record<number, string>> = { 2: '2hop', 3: '3hop1', 4: '4hop1' };

/** How many questions of each number of hops: shares of `count`, largest remainder first. */
export function hopQuota(count: number): ReadonlyMap<number, number> {
  const quota = new Map<number, number>(hopShares.map(({ hops, share }) => [hops, Math.floor(count * share)]));
  const byRemainder = [...hopShares].sort((a, b) => ((count * b.share) % 1) - ((count * a.share) % 1));
  let rest = count - [...quota.values()].reduce((sum, n) => sum + n, 0);
  for (const { hops } of byRemainder) {
    if (rest === 0) break;
    quota.set(hops, (quota.get(hops) ?? 0) + 1);
    rest -= 1;
  }
  return quota;
}

export function questionsOf(
  world: SubWorld,
  pages: ReadonlyMap<string, Page>,
  count: number,
  random: Random,
): MuSiqueRow[] {
  const seen = new Set<string>();
  const near = neighboursByWord(world);
  const hops = [...hopQuota(count)].flatMap(([n, times]) => Array.from({ length: times }, () => n));
  return random.shuffle(hops).map((n) => {
    // Far more chains exist than are ever asked for; the bound only turns a mistake into an error.
    for (let attempt = 0; attempt < 10_000; attempt++) {
      const chain = walk(world, n, random);
      if (chain === undefined) continue;
      const id = `${idPrefix[n] ?? `${n}hop`}__${chain.map((fact) => fact.number).join('_')}`;
      if (seen.has(id)) continue;
      seen.add(id);
      return rowOf(id, chain, world, pages, near, random);
    }
    throw new TerminalError(
      'invalid_argument',
      `a world of ${world.entities.length} entities has too few chains for ${count} questions: ask for fewer`,
    );
  });
}

/** A chain of facts over distinct entities whose answer stands on the last page only; undefined when the walk fails. */
function walk(world: SubWorld, hops: number, random: Random): readonly Fact[] | undefined {
  const chain: Fact[] = [];
  let entity = random.pick(world.entities);
  const visited = new Set<Entity>([entity]);
  while (chain.length < hops) {
    const fact = random.pick(world.facts.get(entity) ?? []);
    if (visited.has(fact.object)) return undefined;
    visited.add(fact.object);
    chain.push(fact);
    entity = fact.object;
  }
  const earlier = chain.slice(0, -1).flatMap((fact) => world.facts.get(fact.subject) ?? []);
  return earlier.some((fact) => fact.object === entity) ? undefined : chain;
}

function questionText(chain: readonly Fact[], random: Random): string {
  const nouns = chain.map((fact) => fact.relation.noun).reverse();
  const phrase = `the ${nouns.join(' of the ')} of ${chain[0]?.subject.name ?? ''}`;
  const who = chain.at(-1)?.relation.object === 'person' ? 'Who' : 'What';
  return random.pick([`${who} is ${phrase}?`, `Name ${phrase}.`, `Find ${phrase}.`, `Tell me ${phrase}.`]);
}

/** Entities by each word of their name: pages that a search may confuse with the right one. */
function neighboursByWord(world: SubWorld): ReadonlyMap<string, readonly Entity[]> {
  const near = new Map<string, Entity[]>();
  for (const entity of world.entities) {
    for (const word of entity.name.split(' ')) {
      const list = near.get(word);
      if (list === undefined) near.set(word, [entity]);
      else list.push(entity);
    }
  }
  return near;
}

function rowOf(
  id: string,
  chain: readonly Fact[],
  world: SubWorld,
  pages: ReadonlyMap<string, Page>,
  near: ReadonlyMap<string, readonly Entity[]>,
  random: Random,
): MuSiqueRow {
  const supporting = chain.map((fact) => fact.subject);
  const answer = chain.at(-1)?.object;
  if (answer === undefined) throw new TerminalError('internal', `question ${id} has no facts`);
  // 6..10 paragraphs; half of the distractors share a word of their name with an entity of the chain. The answer's own
  // page is no distractor: it holds nothing that is asked for.
  const chosen = new Set<Entity>(supporting);
  const alike = supporting.flatMap((entity) => entity.name.split(' ').flatMap((word) => near.get(word) ?? []));
  const size = Math.max(6, supporting.length + 3) + random.below(4);
  const similar = supporting.length + Math.ceil((size - supporting.length) / 2);
  for (const entity of random.shuffle(alike)) {
    if (chosen.size >= similar) break;
    if (entity !== answer) chosen.add(entity);
  }
  while (chosen.size < size) {
    const entity = random.pick(world.entities);
    if (entity !== answer) chosen.add(entity);
  }
  const order = random.shuffle([...chosen]);
  const paragraphs = order.map((entity, idx): MuSiqueParagraph => {
    const page = pages.get(entity.id);
    if (page === undefined) throw new TerminalError('internal', `entity ${entity.name} has no page`);
    return { idx, title: page.title, paragraph_text: page.text, is_supporting: supporting.includes(entity) };
  });
  return {
    id,
    paragraphs,
    question: questionText(chain, random),
    question_decomposition: chain.map((fact, step) => ({
      id: fact.number,
      question: `${step === 0 ? fact.subject.name : `#${step}`} >> ${fact.relation.noun}`,
      answer: fact.object.name,
      paragraph_support_idx: order.indexOf(fact.subject),
    })),
    answer: answer.name,
    answer_aliases: answer.alias === undefined ? [] : [answer.alias],
    answerable: true,
  };
}

/** A document of the corpus. */
export interface Page {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** One page per entity; its sentences in random order, so that a preview shows a random part of the facts. */
export function pagesOf(world: SubWorld, random: Random): readonly Page[] {
  return world.entities.map((entity) => {
    const sentences = (world.facts.get(entity) ?? []).map((fact) =>
      fact.relation.sentence(entity.name, fact.object.name),
    );
    if (entity.alias !== undefined) sentences.push(aliasSentence(entity.name, entity.alias));
    return { id: entity.id, title: entity.name, text: random.shuffle(sentences).join(' ') };
  });
}
