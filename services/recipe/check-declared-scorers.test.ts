import { describe, expect, it } from 'vitest';
import { declared, problemsAfter, type ScorersRecipe } from '../../tests/fixtures/scorers-recipe.ts';

const scorer = (name: keyof ScorersRecipe['scorers'], fields: object) => (recipe: ScorersRecipe) =>
  void Object.assign(recipe.scorers[name], fields);

describe('declared scorers', () => {
  it('are weighed as built-in ones are; one that no stage names is fine', () => {
    expect(problemsAfter(() => {})).toBe('no problem');
  });

  it.each([
    ['exact_match', 'scorers.exact_match: is the name of a built-in scorer; give the scorer another one'],
    ['iou', 'scorers.iou: is the name of a built-in scorer'],
    ['preset', 'scorers.preset: is the name of a built-in scorer'],
    ['candidate_list', 'scorers.candidate_list: is the name of a detector'],
    ['answered', 'scorers.answered: is the name of a metric'],
    ['turns', 'scorers.turns: is the name of a metric'],
    ['mean', 'scorers.mean: is the name of a metric'],
  ])('cannot be called %s', (name, message) => {
    expect(problemsAfter(declared({ [name]: { kind: 'grade', judge: 'main' } }))).toContain(message);
  });

  it('P3: refuses rules of a judge that its service would refuse, in the spelling of recipes', () => {
    const judge = (fields: object) => (recipe: ScorersRecipe) => void Object.assign(recipe.judges.main, fields);
    expect(problemsAfter(judge({ request_timeout_ms: 9000, item_timeout_ms: 8000 }))).toContain(
      'judges.main.request_timeout_ms: must not be more than item_timeout_ms (8000) (got 9000)',
    );
    expect(problemsAfter(judge({ api_key_env: 'A', api_key_file: 'b' }))).toContain(
      'judges.main.api_key_file: give api_key_env or api_key_file, not both (got "b")',
    );
    expect(problemsAfter(judge({ modell: 'x' }))).toContain('judges.main.modell: unknown key; did you mean model?');
  });

  it.each<[string, (recipe: ScorersRecipe) => void, string]>([
    [
      'a judge that is not there',
      scorer('correct', { judge: 'mein' }),
      'scorers.correct.judge: is none of `judges`; did you mean main? (got "mein")',
    ],
    [
      'an unknown kind',
      declared({ x: { kind: 'graed' } }),
      'scorers.x.kind: unknown; did you mean grade? (got "graed")',
    ],
    [
      'an unknown key of a kind',
      scorer('preferred', { roundz: 3 }),
      'scorers.preferred.roundz: unknown key; did you mean rounds?',
    ],
    [
      'another kind of key',
      scorer('ranked', { rounds: 3 }),
      'scorers.ranked.rounds: unknown key; known keys: kind, judge, compared',
    ],
    [
      'an unknown key inside a kind',
      scorer('preferred', { pointwise_first: { tolernce: 1 } }),
      'scorers.preferred.pointwise_first.tolernce: unknown key; did you mean tolerance?',
    ],
    [
      'a budget without pairs',
      scorer('preferred', { schedule: 'budget', rounds: undefined }),
      'scorers.preferred.pairs: is needed by schedule: budget',
    ],
    [
      'pairs of another schedule',
      scorer('preferred', { pairs: 3 }),
      'scorers.preferred.pairs: is of schedule: budget; swiss takes none (got 3)',
    ],
    [
      'rounds of another schedule',
      scorer('preferred', { schedule: 'all_pairs' }),
      'scorers.preferred.rounds: is of schedule: circular or swiss; all_pairs takes none (got 3)',
    ],
    [
      'more rounds than rivals',
      scorer('preferred', { rounds: 8 }),
      'stages[0].rewards.preferred: scorers.preferred.rounds (8) must be at most batch.group_size - 1 (7)',
    ],
    [
      'more pairs than there are',
      scorer('preferred', { schedule: 'budget', rounds: undefined, pairs: 29 }),
      'stages[0].rewards.preferred: scorers.preferred.pairs (29): 8 samples have 28',
    ],
    [
      'a plateau of a reward that cannot move',
      ({ stages: [stage] }) => {
        Object.assign(stage ?? {}, {
          rewards: { preferred: 1, exact_match: 0 },
          until: { steps: 3, plateau: { window_steps: 2, min_delta: 0.1 } },
        });
      },
      'stages[0].until.plateau.metric: is the mean reward, which comparisons within groups keep where it is; watch a component, for example exact_match',
    ],
    [
      'pairs that leave samples out',
      scorer('preferred', { schedule: 'budget', rounds: undefined, pairs: 6 }),
      'stages[0].rewards.preferred: scorers.preferred.pairs (6): at least 7 connect all 8 samples of a group',
    ],
    [
      "P3: a deadline beyond the judge's",
      scorer('preferred', { deadline_ms: 600_001 }),
      'scorers.preferred.deadline_ms: must be at most judges.main.group_timeout_ms (600000) (got 600001)',
    ],
    [
      'P3: a deadline as long as the step',
      scorer('preferred', { deadline_ms: 900_000 }),
      'stages[0].rewards.preferred: scorers.preferred.deadline_ms (900000) must be less than deadlines.step_ms (900000)',
    ],
    [
      'P3: a rollout shorter than its scorer',
      scorer('house', { timeout_ms: 200_000 }),
      'stages[0].rewards.house: scorers.house.timeout_ms (200000) must be less than limits.rollout_timeout_ms (120000)',
    ],
    [
      'a range upside down',
      scorer('house', { low: 2, high: 1 }),
      'scorers.house.high: must be more than low (2) (got 1)',
    ],
    [
      'a blank criterion',
      scorer('prose', { criteria: { brief: { about: ' ' } } }),
      'scorers.prose.criteria.brief.about: must not be blank',
    ],
    [
      'a key in place of its variable',
      scorer('remote', { key_env: 'sk-123' }),
      'scorers.remote.key_env: must be the name of a variable, not the key itself',
    ],
  ])('refuses %s', (_name, change, message) => {
    expect(problemsAfter(change)).toContain(message);
  });

  it('compares groups of 2 to 64', () => {
    for (const size of [1, 65]) {
      const change = (recipe: ScorersRecipe) => void Object.assign(recipe.stages[0]?.batch ?? {}, { group_size: size });
      expect(problemsAfter(change)).toContain(
        `stages[0].rewards.preferred: compares the samples of a group; batch.group_size is ${size} and must be 2 to 64`,
      );
    }
  });

  it('may name judges that the fleet plays, next to those of `judges` or alone', () => {
    const scripted = { fleet: { scripted_judges: { played: { noise: 0.5 } } } };
    const named = (judge: string) => (recipe: ScorersRecipe) => {
      Object.assign(recipe, scripted);
      Object.assign(recipe.scorers.correct, { judge });
    };
    expect(problemsAfter(named('played'))).toBe('no problem');
    expect(problemsAfter(named('playd'))).toContain('scorers.correct.judge: is none of `judges`; did you mean played?');
    const alone = (recipe: ScorersRecipe) => {
      named('played')(recipe);
      Reflect.deleteProperty(recipe, 'judges');
    };
    expect(problemsAfter(alone)).toContain('scorers.prose.judge: is none of `judges`; judges: played (got "main")');
  });

  it('may name judges that only the reward service knows', () => {
    expect(problemsAfter((recipe) => Reflect.deleteProperty(recipe, 'judges'))).toBe('no problem');
  });
});
