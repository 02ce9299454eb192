import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import { describe, expect, it } from 'vitest';
import { checkRecipeValue, parseRecipe } from './parse-recipe.ts';
import { minimal, problemsOf } from './recipe-under-test.ts';

describe('a recipe', () => {
  it('P9: reports what the schema refuses together with what breaks rules between fields', () => {
    const problems = problemsOf(
      minimal
        .replace('steps: 3', 'stepz: 3')
        .replace('context_tokens: 288', 'context_tokens: 5000')
        .replace('exact_match: 1', 'exact_mach: 1')
        .replace('name: search', 'name: search, options: { top_kk: 2 }'),
    );
    for (const part of [
      'stages[0].until.stepz: unknown key; did you mean steps?',
      'stages[0].limits.context_tokens: must be at most fleet.engine.max_context',
      'stages[0].rewards.exact_mach: unknown key; did you mean exact_match?',
      'environment.options.top_kk: unknown key; did you mean top_k?',
    ])
      expect(problems).toContain(part);
  });

  it.each([
    [
      'fleet: { engine: { max_context: 8x } }\n',
      minimal.replace('context_tokens: 288', 'context_tokens: 5000'),
      'r.yaml:11: fleet.engine.max_context: expected number (got "8x")',
    ],
    [
      '',
      minimal.replace('world: { seed: 7 }', 'rows: { train: a.jsonl, format: hotpot_qa, columns: { titel: x } }'),
      'r.yaml:4: data.rows.format: ',
    ],
  ])('judges no default in place of a value that was refused: %s', (more, recipe, problem) => {
    const problems = problemsOf(`${recipe}${more}`);
    expect(problems).toContain(problem);
    expect(problems).not.toContain('\n');
  });

  it('gets every default from a minimal file', () => {
    const recipe = parseRecipe(minimal, 'r.yaml');
    expect(recipe.seed).toBe(1);
    expect(recipe.stages[0]).toMatchObject({ kind: 'rl', algorithm: { clip_high: 0.28 }, batch: { group_size: 8 } });
    expect(recipe.retrieval).toEqual({ method: 'lexical', analyzer: 'standard', k1: 1.2, b: 0.75 });
  });

  it('names the line, the path and a suggestion for an unknown key', () => {
    expect(problemsOf(minimal.replace('max_new_tokens', 'max_new_token'))).toContain(
      'r.yaml:8: stages[0].limits.max_new_token: unknown key; did you mean max_new_tokens?',
    );
    expect(problemsOf(`${minimal}zebra: 1\n`)).toContain('zebra: unknown key; known keys: name, seed, model');
    expect(problemsOf(`${minimal}eval: { question: 3 }\n`)).toContain(
      'eval.question: unknown key; did you mean questions?',
    );
  });

  it('refuses aliases that unfold to more than memory', () => {
    const layers = ['b', 'c', 'd', 'e'].map((name, index) => {
      const below = `*${'abcd'[index] ?? ''}`;
      return `${name}: &${name} [${Array.from({ length: 9 }, () => below).join(', ')}]`;
    });
    expect(problemsOf(['a: &a [x, x, x]', ...layers].join('\n'))).toMatch(/^r\.yaml: its aliases cannot be unfolded: /);
  });

  it('says which names it cannot keep, wherever they stand', () => {
    expect(problemsOf(`${minimal}judges: { __proto__: { base_url: 'http://127.0.0.1:1', model: m } }\n`)).toBe(
      'r.yaml:11: judges.__proto__: cannot be a name; choose another',
    );
    expect(problemsOf(`${minimal}scorers:\n  house: { kind: http, "__proto__": 1 }\n`)).toBe(
      'r.yaml:12: scorers.house.__proto__: cannot be a name; choose another',
    );
    expect(problemsOf(minimal.replace('exact_match: 1', 'exact_match: 1, __proto__: { weight: 1 }'))).toContain(
      'stages[0].rewards.__proto__: cannot be a name',
    );
    expect(problemsOf(`${minimal}__proto__: 1\n`)).toContain('r.yaml:11: __proto__: cannot be a name');
    const parsed: unknown = JSON.parse('{"judges": {"__proto__": {}}}');
    expect(checkRecipeValue(parsed)).toMatchObject({ kind: 'issues', issues: [{ path: ['judges', '__proto__'] }] });
  });

  it('takes names that objects have anyway for what they are', () => {
    for (const name of ['prototype', 'toString', 'hasOwnProperty']) {
      expect(problemsOf(`${minimal}${name}: 1\n`)).toContain(`r.yaml:11: ${name}: unknown key`);
    }
    const judged = minimal.replace('exact_match: 1', 'exact_match: 1, house: 1');
    expect(
      problemsOf(
        `${judged}judges: { main: { base_url: 'http://127.0.0.1:1', model: m } }\nscorers: { house: { kind: grade, judge: constructor } }\n`,
      ),
    ).toContain('scorers.house.judge: ');
    const named = minimal.replace('exact_match: 1', 'exact_match: 1, constructor: 1');
    expect(problemsOf(named)).toContain('stages[0].rewards.constructor: cannot be a name');
  });

  it('lists the first of many problems, and counts the others', () => {
    const keys = Array.from({ length: 5_000 }, (_, at) => `  stagesx${at}: 1`).join('\n');
    const atTop = problemsOf(keys.replaceAll('  ', ''));
    expect(atTop.split('\n').length).toBeLessThan(60);
    expect(atTop).toMatch(/^r\.yaml has 5,005 problems:\n/);
    expect(atTop).toMatch(/\nand 4,955 more$/);
    const judges = problemsOf(`judges:\n${keys}`);
    expect(judges.split('\n').length).toBeLessThan(60);
    expect(judges).toMatch(/^r\.yaml has 5,00\d problems:\n/);
    expect(judges).toMatch(/\nand 4,95\d more$/);
  });

  it('quotes no more of a value or a key than a line', () => {
    expect(problemsOf(minimal.replace('name: tiny', `name: ${'x'.repeat(900_000)}`)).length).toBeLessThan(300);
    expect(problemsOf(`${minimal}? ${'k'.repeat(900_000)}\n: 1\n`).length).toBeLessThan(500);
  });

  it('checks the options of its environment by the environment, and writes out those that were left out', () => {
    const withOptions = (options: string) =>
      minimal.replace('{ name: search }', `{ name: search, options: ${options} }`);
    expect(parseRecipe(withOptions('{ top_k: 3 }'), 'r.yaml').environment.options).toMatchObject({
      top_k: 3,
      codec: 'xml',
      prompt_template: '{question}',
    });
    expect(problemsOf(withOptions('{ topk: 3 }'))).toBe(
      'r.yaml:5: environment.options.topk: unknown key; did you mean top_k?',
    );
    expect(problemsOf(withOptions('{ top_k: 0, max_violations: many }')).split('\n').slice(1)).toEqual([
      'r.yaml:5: environment.options.top_k: Too small: expected number to be >=1 (got 0)',
      'r.yaml:5: environment.options.max_violations: expected number (got "many")',
    ]);
    expect(problemsOf(minimal.replace('name: search', 'name: serach'))).toContain(
      "environment.name: environment 'serach' is unknown; did you mean search?",
    );
    expect(problemsOf(minimal.replace('environment: { name: search }', ''))).toContain('environment: is missing');
  });

  it('names the value that is out of bounds or of the wrong type', () => {
    expect(problemsOf(minimal.replace('steps: 3', 'steps: many'))).toContain(
      'stages[0].until.steps: expected number (got "many")',
    );
    expect(problemsOf(minimal.replace('exact_match: 1', 'exact_match: -1'))).toMatch(
      /stages\[0\]\.rewards\.exact_match: .*>=0 \(got -1\)/,
    );
    expect(problemsOf(minimal.replace('name: one', 'name: ""'))).toContain('stages[0].name: must be 1..63');
  });

  it('says what is missing', () => {
    expect(problemsOf(minimal.replace('model: { path: ../policies/nano }', ''))).toContain('model: is missing');
    expect(problemsOf('')).toContain('the recipe: ');
    expect(problemsOf('a: [')).toContain('not YAML');
  });

  it('P3: refuses deadlines of which the inner is not shorter than the outer', () => {
    const text = minimal.replace('max_new_tokens: 48', 'max_new_tokens: 48, tool_timeout_ms: 30000');
    expect(problemsOf(text)).toContain(
      'stages[0].limits.tool_timeout_ms: must be less than limits.turn_timeout_ms (30000): tool < turn < rollout < group < step (got 30000)',
    );
    expect(problemsOf(`${minimal}    deadlines: { group_ms: 1000, step_ms: 2000 }\n`)).toContain(
      'stages[0].limits.rollout_timeout_ms: must be less than deadlines.group_ms (1000)',
    );
    expect(problemsOf(minimal.replace('data:', 'eval: { deadline_ms: 60000 }\ndata:'))).toContain(
      'stages[0].limits.rollout_timeout_ms: must be less than eval.deadline_ms (60000)',
    );
  });

  it('refuses fields that contradict each other', () => {
    expect(problemsOf(minimal.replace('max_new_tokens: 48', 'max_new_tokens: 288'))).toContain(
      'must be less than limits.context_tokens (288)',
    );
    expect(problemsOf(minimal.replace('exact_match: 1', 'exact_match: 0'))).toContain(
      'stages[0].rewards: needs at least one weight > 0',
    );
    expect(problemsOf(minimal.replace('data: { world: { seed: 7 } }', 'data: {}'))).toContain(
      'data: needs exactly one of world, musique, files, rows; none is there',
    );
    expect(problemsOf(`${minimal}    gate: { metric: sampled.rouge, at_least: 1 }\n`)).toContain(
      'for example sampled.exact_match (got "sampled.rouge")',
    );
    expect(problemsOf(`${minimal}    gate: { metric: sampled.hop=3.exact_mach, at_least: 1 }\n`)).toMatch(
      /splits its metrics by no tag 'hop'; did you mean hops\?[^]*did you mean exact_match\?/,
    );
    expect(problemsOf(`${minimal}    gate: { metric: sampled.match, at_least: 1 }\n`)).toContain(
      "'match' is not a metric of this stage's evaluations; they have exact_match,",
    );
    for (const metric of [
      'sampled.exact_match.low',
      'greedy.hops=3.reward',
      'sampled.environment.moves',
      'sampled.turns',
    ])
      expect(parseRecipe(`${minimal}    gate: { metric: ${metric}, at_least: 1 }\n`, 'r.yaml').stages).toHaveLength(1);
    expect(problemsOf(`${minimal}    gate: { metric: sampled.numeric, at_least: 1 }\n`)).toContain(
      'is not a metric of this stage',
    );
    const numeric = minimal.replace('exact_match: 1', 'exact_match: 1, numeric: 1');
    expect(
      rolloutStages(parseRecipe(`${numeric}    gate: { metric: greedy.hops=2.numeric, at_least: 1 }\n`, 'r.yaml'))[0],
    ).toMatchObject({ gate: { metric: 'greedy.hops=2.numeric' } });
    expect(problemsOf(`${minimal}    gate: { metric: sampled.exact_match }\n`)).toContain(
      'needs exactly one of at_least and gain_at_least',
    );
    expect(problemsOf(`${minimal}    groups: { min_group: 9 }\n`)).toContain(
      'must be at most batch.group_size (8) (got 9)',
    );
    expect(problemsOf(minimal.replace('context_tokens: 288', 'context_tokens: 2880'))).toContain(
      'fleet.engine.max_context (1024)',
    );
    expect(
      problemsOf(minimal.replaceAll('exact_match: 1 }', 'exact_match: 1 }\n    algorithm: { dual_clip: 0.5 }')),
    ).toContain('must be > 1, or 0 for off');
    const algorithm = (text: string) =>
      problemsOf(minimal.replaceAll('exact_match: 1 }', `exact_match: 1 }\n    algorithm: { ${text} }`));
    expect(algorithm('advantage: gae, policy_loss: gspo, dynamic_sampling_by: exact_match')).toMatch(
      /dynamic_sampling: must be false with advantage gae: .*[^]*dynamic_sampling_by: must be left out[^]*policy_loss: has one ratio/,
    );
    expect(algorithm('gae_lambda: 0.9, value_clip: 0.5')).toMatch(
      /gae_lambda: is of a critic, and algorithm.advantage is grpo: set that to gae, or leave this out \(got 0.9\)[^]*value_clip/,
    );
    expect(algorithm('advantage: gae, dynamic_sampling: false, gae_lambda: 0.9')).toBe('no problem');
    expect(problemsOf(`${minimal}    sampling: { top_p: 0.9, top_k: 5 }\n`)).toMatch(
      /sampling.top_p: must be 1: .* \(got 0.9\)[^]*sampling.top_k: must be 0: .* \(got 5\)/,
    );
    expect(problemsOf(`${minimal}eval: { sampled: false, greedy: false }\n`)).toContain(
      'eval: needs sampled or greedy',
    );
  });

  it('refuses two stages of one name', () => {
    const stage = minimal.slice(minimal.indexOf('  - name: one'));
    expect(problemsOf(`${minimal}${stage}`)).toContain('stages[1].name: is already the name of stages[0] (got "one")');
  });

  it('may have rows of any format; those without paragraphs need a corpus', () => {
    const rows = (section: string) => minimal.replace('world: { seed: 7 }', `rows: { train: q.jsonl, ${section} }`);
    expect(parseRecipe(rows('format: hotpotqa, held_out: 7'), 'r.yaml').data.rows).toEqual({
      format: 'hotpotqa',
      train: 'q.jsonl',
      held_out: 7,
    });
    expect(problemsOf(rows('format: search_r1'))).toContain(
      'data.rows.corpus: is missing; rows of format search_r1 bring no paragraphs, and environment search searches: name the corpus',
    );
    expect(problemsOf(rows('held_out: true, corpus: c'))).toContain(
      'data.rows.held_out: must be a number of questions',
    );
    expect(problemsOf(rows('formt: gradus, corpus: c'))).toContain('did you mean format?');
    expect(problemsOf(rows('corpus: c, columns: { questoin: q, answer: a, tag.x: x }'))).toEqual(
      expect.stringMatching(
        /data\.rows\.columns\.questoin: is no field of format gradus; did you mean question\?.*columns\.tag\.x: is no/s,
      ),
    );
  });

  it('needs a corpus where its environment searches one, and nowhere else', () => {
    const files = (environment: string) =>
      minimal
        .replace('world: { seed: 7 }', 'files: { train: t.jsonl, held_out: h.jsonl }')
        .replace('{ name: search }', environment);
    expect(problemsOf(files('{ name: search }'))).toContain(
      'data.files.corpus: is missing; environment search searches',
    );
    expect(parseRecipe(files('{ name: arithmetic }'), 'r.yaml').data.files).toEqual({
      train: 't.jsonl',
      held_out: 'h.jsonl',
    });
  });
});
