import type { SubWorld } from './entities.ts';
import type { Random } from './random.ts';
import { aliasSentence } from './relations.ts';

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
