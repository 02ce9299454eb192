import { TerminalError } from '#platform/errors.ts';
import { entityTypes, lexicon, type EntityType } from './lexicon.ts';
import type { Random } from './random.ts';
import { relations, type Relation } from './relations.ts';

export interface Entity {
  /** Four digits, unique in the world; also the id of its page. */
  readonly id: string;
  readonly type: EntityType;
  readonly name: string;
  /** Another name, stated on its page. */
  readonly alias: string | undefined;
}

export interface Fact {
  /** Unique in the world, from 1. */
  readonly number: number;
  readonly relation: Relation;
  readonly subject: Entity;
  readonly object: Entity;
}

/** Entities whose facts never lead outside: train and held-out questions live in different ones. */
export interface SubWorld {
  readonly entities: readonly Entity[];
  readonly facts: ReadonlyMap<Entity, readonly Fact[]>;
}

const shares: Readonly<Record<EntityType, number>> = {
  person: 0.36,
  company: 0.2,
  town: 0.22,
  country: 0.08,
  school: 0.14,
};
/** Share of entities that have a second name. */
const aliasShare = 0.12;
export const minimumEntities = 60;
/** Ids have four digits. */
export const maximumEntities = 10_000;

/** Names and ids for a whole world; none is given twice. */
export interface Registry {
  name(type: EntityType): string;
  id(): string;
}

export function createRegistry(random: Random): Registry {
  const taken = new Set<string>();
  const ids = random.fork('ids').shuffle(Array.from({ length: maximumEntities }, (_, i) => String(i).padStart(4, '0')));
  const names = random.fork('names');
  return {
    name(type) {
      const { first, last } = lexicon[type];
      // The largest world fills at most half of a type's combinations, so this ends soon.
      for (;;) {
        const name = `${names.pick(first)} ${names.pick(last)}`;
        if (taken.has(name)) continue;
        taken.add(name);
        return name;
      }
    },
    id() {
      const id = ids.pop();
      if (id === undefined) {
        throw new TerminalError('invalid_argument', `a world holds at most ${maximumEntities} entities: ask for fewer`);
      }
      return id;
    },
  };
}

export function createSubWorld(size: number, registry: Registry, random: Random, nextFact: () => number): SubWorld {
  const byType = new Map<EntityType, Entity[]>();
  const entities: Entity[] = [];
  for (const type of entityTypes) {
    const count = type === 'person' ? 0 : Math.max(3, Math.round(size * shares[type]));
    byType.set(
      type,
      Array.from({ length: count }, () => entityOf(type, registry, random)),
    );
  }
  const others = [...byType.values()].reduce((sum, list) => sum + list.length, 0);
  byType.set(
    'person',
    Array.from({ length: size - others }, () => entityOf('person', registry, random)),
  );
  for (const type of entityTypes) for (const entity of byType.get(type) ?? []) entities.push(entity);

  const countryOf = assignCountries(byType, random);
  const facts = new Map<Entity, readonly Fact[]>();
  for (const entity of entities) facts.set(entity, factsOf(entity, byType, countryOf, random, nextFact));
  return { entities, facts };
}

function entityOf(type: EntityType, registry: Registry, random: Random): Entity {
  const name = registry.name(type);
  return { id: registry.id(), type, name, alias: random.next() < aliasShare ? registry.name(type) : undefined };
}

/** Every country has towns to choose its capital from. */
function assignCountries(
  byType: ReadonlyMap<EntityType, readonly Entity[]>,
  random: Random,
): ReadonlyMap<Entity, Entity> {
  const countries = random.shuffle(byType.get('country') ?? []);
  const towns = random.shuffle(byType.get('town') ?? []);
  return new Map(towns.map((town, i) => [town, countries[i] ?? random.pick(countries)]));
}

function factsOf(
  subject: Entity,
  byType: ReadonlyMap<EntityType, readonly Entity[]>,
  countryOf: ReadonlyMap<Entity, Entity>,
  random: Random,
  nextFact: () => number,
): readonly Fact[] {
  // No page names the same entity in two facts: a reader who mixes relations up is wrong, not lucky.
  const used = new Set<Entity>([subject]);
  return relations[subject.type].map((relation) => {
    const object = objectOf(subject, relation, byType, countryOf, used, random);
    used.add(object);
    return { number: nextFact(), relation, subject, object };
  });
}

function objectOf(
  subject: Entity,
  relation: Relation,
  byType: ReadonlyMap<EntityType, readonly Entity[]>,
  countryOf: ReadonlyMap<Entity, Entity>,
  used: ReadonlySet<Entity>,
  random: Random,
): Entity {
  const country = countryOf.get(subject);
  if (country !== undefined && relation.name === 'town.country') return country;
  const candidates = byType.get(relation.object) ?? [];
  const allowed =
    relation.name === 'country.capital' ? candidates.filter((town) => countryOf.get(town) === subject) : candidates;
  for (;;) {
    const object = random.pick(allowed);
    if (!used.has(object)) return object;
  }
}
