import { describe, expect, it } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import type { PlayedRow, PlayedSample } from '../kit/stage-context.ts';
import { successOf } from './schema.ts';
import { parsePredictions, predictionLines } from './prediction-lines.ts';
import { askedRows, reportOf } from './report.ts';

const recipeOf = (stage: string) =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - { name: asked, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 }${stage} }
`,
    'test.yaml',
  );
const stageOf = (text: string) => {
  const [stage] = recipeOf(text).stages;
  if (stage?.kind !== 'eval') throw new Error('no eval stage');
  return { ...stage, success: successOf(stage, 'exact_match') };
};

const sample = (right: number | undefined, prediction?: string): PlayedSample => ({
  rollout: 'r',
  values: right === undefined ? {} : { exact_match: right, reward: right },
  grades: {},
  unscored: {},
  environment: right === undefined ? {} : { moves: 2 + right },
  prediction,
  failure: right === undefined || prediction !== undefined ? undefined : 'turn_limit',
  absent: right === undefined ? 'policy_unavailable' : undefined,
  absentDetail: right === undefined ? 'it answered 503' : '',
  textOnly: false,
  truncated: false,
  turns: 1,
  toolCalls: 0,
  modelTokens: 5,
});
const rows: PlayedRow[] = [
  {
    id: 'a',
    data: { question: 'a?' },
    gold: { answer: 'x' },
    tags: { hops: '2' },
    samples: [sample(1, 'x'), sample(0, 'y')],
  },
  { id: 'b', data: {}, gold: {}, tags: { hops: '3' }, samples: [sample(0), sample(undefined)] },
];

describe('the report of an evaluation', () => {
  const report = reportOf(stageOf(', samples: 2'), rows, 1);

  it('P2: counts what is absent, by reason, and leaves it out of every metric', () => {
    expect(report.rollouts).toEqual({ asked: 4, n: 3, absent: 1 });
    expect(report.absences).toEqual({ policy_unavailable: 1 });
    expect(report.absence_examples).toEqual({ policy_unavailable: 'it answered 503' });
    expect(report.absent).toEqual([
      { id: 'b', sample: 1, rollout: 'r', component: null, reason: 'policy_unavailable', detail: 'it answered 503' },
    ]);
    expect(report.failures).toEqual({ turn_limit: 1 });
    expect(report.metrics['exact_match']).toMatchObject({ value: 0.25, rows: 2 });
  });

  it('P2: leaves each row whole, with the share of its samples that came back and were a success', () => {
    const lost = { id: 'c', data: {}, gold: {}, tags: {}, samples: [sample(undefined)] };
    expect([...askedRows(stageOf(', samples: 2'), [...rows, lost])]).toEqual([
      { id: 'a', data: { question: 'a?' }, gold: { answer: 'x' }, tags: { hops: '2', pass_rate: '0.5' } },
      { id: 'b', data: {}, gold: {}, tags: { hops: '3', pass_rate: '0' } },
      { id: 'c', data: {}, gold: {}, tags: {} },
    ]);
  });

  it('has avg@n over all rows, and pass@k over those with k samples', () => {
    expect(report.metrics['avg@2']).toMatchObject({ value: 0.25, rows: 2 });
    expect(report.metrics['pass@1']).toMatchObject({ value: 0.25, rows: 2 });
    expect(report.metrics['pass@2']).toMatchObject({ value: 1, rows: 1 });
  });

  it('P2: has what the environment reported, of the rollouts that came back', () => {
    expect(report.metrics['environment.moves']).toMatchObject({ value: 2.25, rows: 2 });
    expect(report.by_tag['hops=3']?.metrics['environment.moves']).toMatchObject({ value: 2, rows: 1 });
  });

  it('says how the tokens were drawn, and within which limits', () => {
    expect(report).toMatchObject({ sampling: { temperature: 1 }, limits: { context_tokens: 100 } });
    const drawn = (stage: string) => reportOf(stageOf(stage), rows, 1).sampling;
    expect(drawn(', sampling: { temperature: 0.2, top_k: 5 }')).toEqual({ temperature: 0.2, top_p: 1, top_k: 5 });
    expect(drawn(', greedy: true')).toEqual({ temperature: 0, top_p: 1, top_k: 0 });
  });

  it('has the same by tag', () => {
    expect(Object.keys(report.by_tag)).toEqual(['hops=2', 'hops=3']);
    expect(report.by_tag['hops=3']).toMatchObject({ rows: 1, metrics: { 'avg@2': { value: 0 } } });
  });

  it('P9: says what an endpoint did not give, and has no number in its place', () => {
    const [line = ''] = predictionLines(
      rows.slice(0, 1).map((row) => ({ ...row, samples: [{ ...sample(1, 'x'), textOnly: true }] })),
    );
    expect(JSON.parse(line)).toMatchObject({ model_tokens: null, not_given: ['token_ids', 'logprobs'] });
  });

  it('P9: has a line for every sample, absent ones too', () => {
    const lines = [...predictionLines(rows)].map((line) => JSON.parse(line));
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatchObject({
      id: 'a',
      sample: 0,
      prediction: 'x',
      components: { exact_match: 1 },
      reward: 1,
      environment: { moves: 3 },
      absent: null,
    });
    expect(lines[2]).toMatchObject({ id: 'b', prediction: null, failure: 'turn_limit', reward: 0 });
    expect(lines[3]).toMatchObject({ id: 'b', sample: 1, components: {}, reward: null, absent: 'policy_unavailable' });
  });
});

describe('answers that a judge graded', () => {
  const graded = (grade: string | undefined): PlayedSample => ({
    ...sample(0, 'x'),
    values: grade === undefined ? { exact_match: 0 } : { exact_match: 0, grade: Number(grade === 'correct') },
    grades: grade === undefined ? {} : { grade },
    unscored: grade === undefined ? { grade: { reason: 'unavailable', detail: 'it answered 503' } } : {},
  });
  const rowsOf = (grades: readonly (readonly (string | undefined)[])[]) =>
    grades.map((of, index): PlayedRow => ({ id: `q${index}`, data: {}, gold: {}, tags: {}, samples: of.map(graded) }));
  // 5 correct, 3 incorrect, 2 not attempted.
  const ten = rowsOf(
    Object.entries({ correct: 5, incorrect: 3, not_attempted: 2 }).flatMap(([grade, count]) =>
      Array.from({ length: count }, () => [grade]),
    ),
  );

  it('have the metrics of SimpleQA, by hand', () => {
    const { metrics } = reportOf(stageOf(''), ten, 1);
    expect(metrics['grade.correct']).toMatchObject({ value: 0.5, interval: 'wilson', rows: 10 });
    expect(metrics['grade.incorrect']).toMatchObject({ value: 0.3 });
    expect(metrics['grade.not_attempted']).toMatchObject({ value: 0.2 });
    expect(metrics['grade.correct_given_attempted']).toMatchObject({ value: 5 / 8, interval: 'wilson', rows: 8 });
    // The harmonic mean of 1/2 and 5/8.
    expect(metrics['grade.f1']?.value).toBeCloseTo(5 / 9, 12);
    expect(metrics['grade.f1']).toMatchObject({ interval: 'bootstrap', rows: 10 });
  });

  it('P2: are listed where the judge gave no grade, and are in no metric of it', () => {
    const { metrics, absent, rollouts } = reportOf(stageOf(''), [...ten, ...rowsOf([[undefined]])], 1);
    expect(rollouts).toEqual({ asked: 11, n: 11, absent: 0 });
    expect(metrics['grade.correct']).toMatchObject({ value: 0.5, rows: 10 });
    expect(metrics['exact_match']).toMatchObject({ rows: 11 });
    expect(absent).toEqual([
      { id: 'q0', sample: 0, rollout: 'r', component: 'grade', reason: 'unavailable', detail: 'it answered 503' },
    ]);
  });

  it('count of each row the share of its samples', () => {
    const { metrics } = reportOf(
      stageOf(', samples: 2'),
      rowsOf([
        ['correct', 'not_attempted'],
        ['incorrect', undefined],
      ]),
      1,
    );
    expect(metrics['grade.correct']).toMatchObject({ value: 0.25, rows: 2 });
    // 0.5 of 1.5 attempted.
    expect(metrics['grade.correct_given_attempted']?.value).toBeCloseTo(1 / 3, 12);
  });

  it('have no accuracy of attempted answers where none was attempted', () => {
    const { metrics } = reportOf(stageOf(''), rowsOf([['not_attempted']]), 1);
    expect(metrics['grade.correct_given_attempted']).toBeUndefined();
    expect(metrics['grade.f1']).toMatchObject({ value: 0 });
  });

  it('come back from predictions.jsonl as they went in', () => {
    const played = [...rows, ...rowsOf([['correct', undefined]])];
    const read = parsePredictions([...predictionLines(played)].join(''), 'predictions.jsonl');
    expect(reportOf(stageOf(', samples: 2'), read, 1)).toEqual(reportOf(stageOf(', samples: 2'), played, 1));
    expect([...predictionLines(read)]).toEqual([...predictionLines(played)]);
  });

  it.each([
    ['{', 'p.jsonl:1: not JSON'],
    ['{"id": 7}', 'p.jsonl:1: id: '],
  ])('a line %s of predictions.jsonl is named', (text, problem) => {
    expect(() => parsePredictions(text, 'p.jsonl')).toThrow(problem);
  });
});

describe('an eval stage in a recipe', () => {
  it.each([
    [', samples: 2, greedy: true', 'stages[0].samples: must be 1 with greedy: true'],
    [', samples: 2, pass_at: [1, 4]', 'stages[0].pass_at[1]: must be at most samples (2) (got 4)'],
    [', success: { metric: exact_mach }', 'did you mean exact_match?'],
    [', gate: { metric: sampled.reward, gain_at_least: 0.1 }', 'stages[0].gate: needs at_least'],
    [', gate: { metric: sampled.reward, at_least: 0.1, on_fail: repeat }', 'must be continue or stop'],
    [
      ', samples: 2, gate: { metric: sampled.pass@4, at_least: 0.1 }',
      "'pass@4' is not a metric of this stage's evaluations; did you mean pass@1?",
    ],
    [', gate: { metric: sampled.hops=2.pass@1, at_least: 0.1 }', "'pass@1' is not a metric of this stage"],
    [', greedy: true, gate: { metric: sampled.pass@1, at_least: 0.1 }', 'must begin with greedy'],
    [', deadlines: { group_ms: 9000 }', 'tool < turn < rollout < group < stage'],
    [', until: { steps: 3 }', 'stages[0].until: unknown key'],
    [', prompts: { of: train, where: { hops: [4] } }', 'stages[0].prompts.where: unknown key; known keys: of, limit'],
  ])('%s is refused', (text, problem) => {
    expect(() => recipeOf(text)).toThrow(problem);
  });

  it.each(['pass@1', 'pass@4', 'avg@4', 'pass@4.low', 'exact_match'])('may have a gate on %s', (metric) => {
    const recipe = recipeOf(`, samples: 4, gate: { metric: sampled.${metric}, at_least: 0.1 }`);
    expect(recipe.stages[0]).toMatchObject({ gate: { metric: `sampled.${metric}` } });
  });

  it('an unknown kind is named with what was meant', () => {
    expect(() => recipeOf(', kind: evl')).toThrow();
    expect(() =>
      parseRecipe(
        'name: t\nmodel: { path: m }\ndata: { world: {} }\nenvironment: { name: search }\nstages:\n  - { name: a, kind: evl }\n',
        'test.yaml',
      ),
    ).toThrow('stages[0].kind: unknown; did you mean eval?');
  });
});
