import type { EntityType } from './lexicon.ts';

/**
 * What pages say. Each relation is a function: one object per subject, stated once, on the subject's page.
 * No relation is the inverse of another but town.country and country.capital, whose objects agree.
 */
export interface Relation {
  readonly name: string;
  readonly subject: EntityType;
  readonly object: EntityType;
  /** As in "the NOUN of X". */
  readonly noun: string;
  readonly sentence: (subject: string, object: string) => string;
}

type Row = readonly [noun: string, object: EntityType, template: string];

const rows: Readonly<Record<EntityType, readonly Row[]>> = {
  person: [
    ['birthplace', 'town', '{s} was born in {o}.'],
    ['home', 'town', '{s} lives in {o}.'],
    ['employer', 'company', '{s} works for {o}.'],
    ['teacher', 'person', '{s} was taught by {o}.'],
    ['school', 'school', '{s} studied at {o}.'],
  ],
  company: [
    ['founder', 'person', '{s} was founded by {o}.'],
    ['director', 'person', '{s} is run by {o}.'],
    ['headquarters', 'town', '{s} is based in {o}.'],
    ['owner', 'company', '{s} belongs to {o}.'],
    ['supplier', 'company', '{s} buys from {o}.'],
  ],
  town: [
    ['country', 'country', '{s} lies in {o}.'],
    ['mayor', 'person', 'The mayor of {s} is {o}.'],
    ['founder', 'person', '{s} was founded by {o}.'],
    ['port', 'town', 'The port of {s} is {o}.'],
    ['brewery', 'company', 'The brewery of {s} is {o}.'],
  ],
  country: [
    ['capital', 'town', 'The capital of {s} is {o}.'],
    ['leader', 'person', 'The leader of {s} is {o}.'],
    ['poet', 'person', 'The poet of {s} is {o}.'],
    ['bank', 'company', 'The bank of {s} is {o}.'],
    ['academy', 'school', 'The academy of {s} is {o}.'],
  ],
  school: [
    ['location', 'town', '{s} stands in {o}.'],
    ['founder', 'person', '{s} was founded by {o}.'],
    ['head', 'person', '{s} is headed by {o}.'],
    ['sponsor', 'company', '{s} is paid for by {o}.'],
    ['rival', 'school', '{s} plays against {o}.'],
  ],
};

function relationFrom(subject: EntityType, [noun, object, template]: Row): Relation {
  return {
    name: `${subject}.${noun}`,
    subject,
    object,
    noun,
    sentence: (s, o) => template.replace('{s}', s).replace('{o}', o),
  };
}

function relationsOf(subject: EntityType): readonly Relation[] {
  return rows[subject].map((row) => relationFrom(subject, row));
}

export const relations: Readonly<Record<EntityType, readonly Relation[]>> = {
  person: relationsOf('person'),
  company: relationsOf('company'),
  town: relationsOf('town'),
  country: relationsOf('country'),
  school: relationsOf('school'),
};

export function aliasSentence(name: string, alias: string): string {
  return `${name} is also called ${alias}.`;
}
