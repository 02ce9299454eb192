import { describe, expect, it } from 'vitest';
import { TerminalError } from '#shared/errors.ts';
import { parseRecipe } from './parse-recipe.ts';

/** A recipe that is in order; each test breaks one thing. */
const base = {
  name: 'tiny',
  model: { path: './m' },
  data: { world: {} },
  judges: { main: { base_url: 'http://127.0.0.1:1/v1', model: 'm' } },
  scorers: {
    correct: { kind: 'grade', judge: 'main' },
    prose: { kind: 'rubric', judge: 'main', criteria: { brief: { about: 'Short.' } } },
    preferred: { kind: 'pairwise', judge: 'main', schedule: 'swiss', rounds: 3, deadline_ms: 60_000 },
    ranked: { kind: 'listwise', judge: 'main' },
    house: { kind: 'typescript', path: './house.ts' },
    theirs: { kind: 'python', path: './reward.py' },
    remote: { kind: 'http', url: 'http://127.0.0.1:9000/score', key_env: 'REMOTE_KEY' },
  },
  stages: [
    {
      name: 'one',
      limits: { context_tokens: 288, max_new_tokens: 48 },
      batch: { group_size: 8 },
      rewards: {
        exact_match: 1,
        correct: 0.5,
        preferred: 1,
        house: { weight: 0.5, any_setting: 3, deep: { list: [1, 'two', null] } },
      } as Record<string, unknown>,
      composition: {
        normalize: true,
        penalties: { candidate_list: 0.5 } as Record<string, number>,
        gates: [{ name: 'format', at_least: 1, otherwise: 0 }] as Record<string, unknown>[],
        clip: { low: 0, high: 1 },
      },
      until: { steps: 3 },
    },
  ],
};

type Base = typeof base;

/** JSON is YAML. */
function problemsOf(change: (recipe: Base & { stages: [Base['stages'][number]] }) => void): string {
  const recipe = structuredClone(base) as Base & { stages: [Base['stages'][number]] };
  change(recipe);
  try {
    parseRecipe(JSON.stringify(recipe, undefined, 1), 'r.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(TerminalError);
    return error instanceof Error ? error.message : '';
  }
  return 'no problem';
}

const scorer = (name: keyof Base['scorers'], fields: object) => (recipe: Base) =>
  void Object.assign(recipe.scorers[name], fields);
const declared = (scorers: object) => (recipe: Base) => void Object.assign(recipe.scorers, scorers);
const rewards = (fields: object) => (recipe: Base) => void Object.assign(recipe.stages[0]?.rewards ?? {}, fields);
const composition = (fields: object) => (recipe: Base) =>
  void Object.assign(recipe.stages[0]?.composition ?? {}, fields);

describe('declared scorers', () => {
  it('are weighed as built-in ones are; one that no stage names is fine', () => {
    expect(problemsOf(() => {})).toBe('no problem');
  });

  it.each([
    ['exact_match', 'scorers.exact_match: is the name of a built-in scorer; give the scorer another one'],
    ['iou', 'scorers.iou: is the name of a built-in scorer'],
    ['preset', 'scorers.preset: is the name of a built-in scorer'],
    ['candidate_list', 'scorers.candidate_list: is the name of a detector'],
    ['em', 'scorers.em: is the name of a metric'],
    ['hop2', 'scorers.hop2: is the name of a metric'],
    ['mean', 'scorers.mean: is the name of a metric'],
  ])('cannot be called %s', (name, message) => {
    expect(problemsOf(declared({ [name]: { kind: 'grade', judge: 'main' } }))).toContain(message);
  });

  it('P3: refuses rules of a judge that its service would refuse, in the spelling of recipes', () => {
    const judge = (fields: object) => (recipe: Base) => void Object.assign(recipe.judges.main, fields);
    expect(problemsOf(judge({ request_timeout_ms: 9000, item_timeout_ms: 8000 }))).toContain(
      'judges.main.request_timeout_ms: must not be more than item_timeout_ms (8000) (got 9000)',
    );
    expect(problemsOf(judge({ api_key_env: 'A', api_key_file: 'b' }))).toContain(
      'judges.main.api_key_file: give api_key_env or api_key_file, not both (got "b")',
    );
    expect(problemsOf(judge({ modell: 'x' }))).toContain('judges.main.modell: unknown key; did you mean model?');
  });

  it.each<[string, (recipe: Base) => void, string]>([
    [
      'a judge that is not there',
      scorer('correct', { judge: 'mein' }),
      'scorers.correct.judge: is none of `judges`; did you mean main? (got "mein")',
    ],
    [
      'an unknown kind',
      declared({ x: { kind: 'graed' } }),
      'scorers.x.kind: must be one of grade, rubric, pairwise, listwise, typescript, python, http (got "graed")',
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
      'stages[0].until.plateau: watches the mean reward, which comparisons within groups keep where it is; leave it out',
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
    expect(problemsOf(change)).toContain(message);
  });

  it('compares groups of 2 to 64', () => {
    for (const size of [1, 65]) {
      const change = (recipe: Base) => void Object.assign(recipe.stages[0]?.batch ?? {}, { group_size: size });
      expect(problemsOf(change)).toContain(
        `stages[0].rewards.preferred: compares the samples of a group; batch.group_size is ${size} and must be 2 to 64`,
      );
    }
  });

  it('may name judges that the fleet plays, beside those of `judges` or alone', () => {
    const scripted = { fleet: { scripted_judges: { played: { noise: 0.5 } } } };
    const named = (judge: string) => (recipe: Base) => {
      Object.assign(recipe, scripted);
      Object.assign(recipe.scorers.correct, { judge });
    };
    expect(problemsOf(named('played'))).toBe('no problem');
    expect(problemsOf(named('playd'))).toContain('scorers.correct.judge: is none of `judges`; did you mean played?');
    const alone = (recipe: Base) => {
      named('played')(recipe);
      Reflect.deleteProperty(recipe, 'judges');
    };
    expect(problemsOf(alone)).toContain('scorers.prose.judge: is none of `judges`; judges: played (got "main")');
  });

  it('may name judges that only the reward service knows', () => {
    expect(problemsOf((recipe) => Reflect.deleteProperty(recipe, 'judges'))).toBe('no problem');
  });
});

describe('the rewards of a stage', () => {
  it.each<[string, object, string]>([
    ['a typo', { corect: 1 }, 'stages[0].rewards.corect: unknown key; did you mean correct?'],
    [
      'settings of a judged scorer',
      { correct: { weight: 1, not_attempted: 1 } },
      'stages[0].rewards.correct: takes a weight alone; its other settings are in scorers.correct',
    ],
    [
      'a weight that is none',
      { house: 'much' },
      'stages[0].rewards.house: must be a weight of 0..100, or { weight, … } (got "much")',
    ],
    [
      'settings without a weight',
      { house: { any_setting: 1 } },
      'stages[0].rewards.house: must be a weight of 0..100, or { weight, … }',
    ],
    [
      'settings beyond bounds',
      { house: { weight: 1, text: 'x'.repeat(5000) } },
      'stages[0].rewards.house: its settings are 5011 characters of JSON; at most 4096',
    ],
    [
      'weights of 0',
      { exact_match: 0, correct: 0, preferred: 0, house: 0 },
      'stages[0].rewards: needs at least one weight > 0',
    ],
  ])('refuse %s', (_name, fields, message) => {
    expect(problemsOf(rewards(fields))).toContain(message);
  });

  it('take at most eight judged components', () => {
    const names = Array.from({ length: 9 }, (_, index) => `grade_${index}`);
    const problems = problemsOf((recipe) => {
      declared(Object.fromEntries(names.map((name) => [name, { kind: 'grade', judge: 'main' }])))(recipe);
      rewards(Object.fromEntries(names.map((name) => [name, 1])))(recipe);
    });
    expect(problems).toContain('stages[0].rewards: names 10 scorers that a judge gives; a rollout takes at most 8');
  });
});

describe('a composition', () => {
  it.each<[string, object, string]>([
    [
      'a penalty for what nobody records',
      { penalties: { iou: 1 } },
      'stages[0].composition.penalties.iou: is nothing that this stage records; name it in rewards, weight 0 records it; recorded: exact_match',
    ],
    [
      'a typo in a penalty',
      { penalties: { candidat_list: 1 } },
      'stages[0].composition.penalties.candidat_list: is nothing that this stage records; did you mean candidate_list?',
    ],
    [
      'a scorer that is declared and not named',
      { gates: [{ name: 'prose', at_least: 1 }] },
      'stages[0].composition.gates[0].name: is nothing that this stage records',
    ],
    [
      'a gate without bounds',
      { gates: [{ name: 'format' }] },
      'stages[0].composition.gates[0]: needs at_least, at_most or both',
    ],
    [
      'a gate that never holds',
      { gates: [{ name: 'format', at_least: 0.6, at_most: 0.5 }] },
      'stages[0].composition.gates[0].at_least: must be at most at_most (0.5) (got 0.6)',
    ],
    [
      'a clip upside down',
      { clip: { low: 1, high: 0 } },
      'stages[0].composition.clip.low: must be at most high (0) (got 1)',
    ],
  ])('refuses %s', (_name, fields, message) => {
    expect(problemsOf(composition(fields))).toContain(message);
  });

  it('reads groupwise components and detectors too', () => {
    expect(
      problemsOf(
        composition({ gates: [{ name: 'preferred', at_least: 0.1 }], penalties: { giant_answer: 1, correct: 1 } }),
      ),
    ).toBe('no problem');
  });
});
