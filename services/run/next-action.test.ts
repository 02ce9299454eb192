import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { foldEntry } from './ledger/fold.ts';
import type { FactInit } from './ledger/read-ledger.ts';
import type { Gather } from '#stages/kit/stage-context.ts';
import { newRunState, nextStageStep, versionOf } from './ledger/run-state.ts';
import type { RunState } from './ledger/run-state.ts';
import { equalEvaluation, nextAction } from './next-action.ts';

const recipeOf = (until = '{ steps: 2 }', extra = '', evalEvery = 0) =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
eval: { every_steps: ${evalEvery} }
environment: { name: search }
stages:
  - { name: one, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { xml: 1 }, until: ${until}${extra} }
  - { name: two, limits: { context_tokens: 200, max_new_tokens: 10 }, rewards: { xml: 1 }, until: { steps: 1 } }
`,
    'test.yaml',
  );

/** Walks a run whose every action succeeds, and gives what it did. */
function walk(
  recipe: ReturnType<typeof recipeOf>,
  decide: (stage: string, round: number) => string = () => 'continue',
  rewards: readonly number[] = [],
): string[] {
  const seen: string[] = [];
  let state: RunState = newRunState('r');
  const add = (fact: FactInit) => {
    state = foldEntry(state, create(LedgerEntrySchema, { runId: 'r', atMs: 1n, fact }));
  };
  add({ case: 'runStarted', value: {} });
  for (let guard = 0; guard < 100; guard++) {
    const action = nextAction(recipe, state);
    switch (action.kind) {
      case 'enter':
        seen.push(`enter ${action.stage.name}`);
        add({ case: 'stageEntered', value: { stage: action.stage.name, stageIndex: action.index } });
        break;
      case 'evaluate':
        seen.push(
          `${equalEvaluation(recipe, state, action.stage, versionOf(state)) === undefined ? 'evaluate' : 'reuse'} ${action.name} at ${action.stage.limits.context_tokens}`,
        );
        add({
          case: 'evalFinished',
          value: { stage: action.stage.name, name: action.name, metrics: { 'sampled.exact_match': 0.5 } },
        });
        break;
      case 'act': {
        const { before } = action.action as Gather;
        const from = nextStageStep(state);
        // Everything that may be gathered comes in before the next step is trained.
        if (from < before) {
          seen.push(`gather ${from}`);
          const step = BigInt(state.step + state.formed.length + 1);
          add({ case: 'stepFormed', value: { step, stage: action.stage.name, stageStep: from } });
          break;
        }
        seen.push(`train ${state.formed[0]?.stageStep}`);
        add({
          case: 'stepCommitted',
          value: {
            step: BigInt(state.step + 1),
            version: 0n,
            weightsPath: '/w',
            metrics: {
              'reward/mean': rewards[state.step] ?? 0,
              'reward/exact_match': 0.5,
              'time/step': 30,
              'rollouts/published': 10,
            },
          },
        });
        break;
      }
      case 'finish-stage':
        seen.push(`finish: ${action.reason}`);
        add({ case: 'stageFinished', value: { stage: action.stage.name, reason: action.reason } });
        break;
      case 'gate': {
        const answer = decide(action.stage.name, action.entered.round);
        seen.push(`gate: ${answer}`);
        add({
          case: 'gateDecided',
          value: { stage: action.stage.name, passed: answer === 'continue', action: answer, reason: 'why' },
        });
        break;
      }
      case 'end':
        return [...seen, `${action.life} ${action.message}`.trim()];
    }
  }
  throw new Error('the run does not end');
}

describe('the course of a run', () => {
  it('evaluates before, between and after stages, and the untrained policy at the last limits', () => {
    expect(walk(recipeOf())).toEqual([
      'enter one',
      'evaluate before at 100',
      'evaluate baseline at 200',
      'gather 0',
      'train 0',
      'gather 1',
      'train 1',
      'finish: steps',
      'evaluate after at 100',
      'enter two',
      'evaluate before at 200',
      'gather 0',
      'train 0',
      'finish: steps',
      'evaluate after at 200',
      'finished',
    ]);
  });

  it('P9: a run whose stages were to train and learned nothing ends with nothing to learn; one that was to train none finishes', () => {
    let state = newRunState('r');
    const add = (fact: FactInit) => {
      state = foldEntry(state, create(LedgerEntrySchema, { runId: 'r', atMs: 1n, fact }));
    };
    add({ case: 'runStarted', value: {} });
    for (const [stageIndex, stage] of ['one', 'two'].entries()) {
      add({ case: 'stageEntered', value: { stage, stageIndex } });
      add({ case: 'stageFinished', value: { stage, reason: 'nothing_to_learn' } });
      add({ case: 'evalFinished', value: { stage, name: 'after' } });
    }
    expect(nextAction(recipeOf(), state)).toMatchObject({
      life: 'nothing_to_learn',
      message: expect.stringContaining(
        'no step learned anything in one (0 steps, ended by nothing_to_learn), two (0 steps, ended by nothing_to_learn)',
      ),
    });
    const untrained = recipeOf('{ steps: 0 }');
    for (const stage of untrained.stages) if (stage.kind === 'rl') stage.until.steps = 0;
    expect(nextAction(untrained, state)).toMatchObject({ life: 'finished' });
  });

  it('P9: a stage that learned in one of its rounds has learned', () => {
    let state = newRunState('r');
    const add = (fact: FactInit) => {
      state = foldEntry(state, create(LedgerEntrySchema, { runId: 'r', atMs: 1n, fact }));
    };
    const round = (stage: string, stageIndex: number, learned: readonly number[], action: string) => {
      add({ case: 'stageEntered', value: { stage, stageIndex } });
      for (const [stageStep, value] of learned.entries()) {
        const step = BigInt(state.step + 1);
        add({ case: 'stepFormed', value: { step, stage, stageStep } });
        add({ case: 'stepCommitted', value: { step, metrics: { learned: value } } });
      }
      add({ case: 'stageFinished', value: { stage, reason: 'nothing_to_learn' } });
      add({ case: 'evalFinished', value: { stage, name: 'after' } });
      add({ case: 'gateDecided', value: { stage, action } });
    };
    add({ case: 'runStarted', value: {} });
    round('one', 0, [1], 'repeat');
    round('one', 0, [], 'continue');
    round('two', 1, [0], 'repeat');
    round('two', 1, [1], 'continue');
    expect(nextAction(recipeOf(), state)).toMatchObject({ kind: 'end', life: 'finished' });
  });

  it('reuses an evaluation of the same version at the same limits', () => {
    const same = parseRecipe(
      `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - { name: one, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { xml: 1 }, until: { steps: 1 } }
  - { name: two, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { f1: 1 }, until: { steps: 0 } }
`,
      'test.yaml',
    );
    expect(walk(same).filter((action) => /evaluate|reuse/.test(action))).toEqual([
      'evaluate before at 100',
      'reuse baseline at 100',
      'evaluate after at 100',
      'reuse before at 100',
      'reuse after at 100',
    ]);
  });

  it('evaluates anew for a stage that has other scorers or settings, whose components nobody has measured', () => {
    const evaluations = (second: string) =>
      walk(
        parseRecipe(
          `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - { name: one, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { numeric: { weight: 1, relative_tolerance: 0.1 } }, until: { steps: 0 } }
  - { name: two, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: ${second}, until: { steps: 0 } }
`,
          'test.yaml',
        ),
      ).filter((action) => action.startsWith('evaluate'));
    const once = ['evaluate before at 100'];
    expect(evaluations('{ numeric: { weight: 2, relative_tolerance: 0.1 } }')).toEqual(once);
    expect(evaluations('{ numeric: { weight: 1, relative_tolerance: 0.2 } }')).toEqual([
      ...once,
      'evaluate baseline at 100',
    ]);
    expect(evaluations('{ exact_match: 1 }')).toEqual([...once, 'evaluate baseline at 100']);
  });

  it('evaluates anew for other weights only where a composition makes the reward more than a weighted sum', () => {
    const evaluations = (one: string, two: string) =>
      walk(
        parseRecipe(
          `
name: test
model: { path: m }
data: { world: {} }
scorers: { preferred: { kind: pairwise, judge: main } }
environment: { name: search }
stages:
  - { name: one, limits: { context_tokens: 100, max_new_tokens: 10 }, ${one}, until: { steps: 0 } }
  - { name: two, limits: { context_tokens: 100, max_new_tokens: 10 }, ${two}, until: { steps: 0 } }
`,
          'test.yaml',
        ),
      ).filter((action) => action.startsWith('evaluate'));
    const once = ['evaluate before at 100'];
    const twice = [...once, 'evaluate baseline at 100'];
    expect(evaluations('rewards: { f1: 1 }', 'rewards: { f1: 2, preferred: 1 }')).toEqual(once);
    const composed = 'composition: { normalize: true, gates: [{ name: format, at_least: 1 }] }';
    expect(evaluations(`rewards: { f1: 1 }, ${composed}`, `rewards: { f1: 1 }, ${composed}`)).toEqual(once);
    expect(evaluations(`rewards: { f1: 1 }, ${composed}`, `rewards: { f1: 2 }, ${composed}`)).toEqual(twice);
    expect(evaluations('rewards: { f1: 1 }', `rewards: { f1: 1 }, ${composed}`)).toEqual(twice);
    // What reads the comparison is not a part of an evaluation.
    const preferring = composed.replace('format', 'preferred');
    expect(
      evaluations(
        'rewards: { f1: 1 }, composition: { normalize: true }',
        `rewards: { f1: 1, preferred: 1 }, ${preferring}`,
      ),
    ).toEqual(once);
  });

  it('evaluates inside a stage when asked to, but not at its end', () => {
    const during = walk(recipeOf('{ steps: 4 }', '', 2)).filter((action) => action.includes('step-'));
    expect(during).toEqual(['evaluate step-2 at 100']);
  });

  it('ends a stage early on a plateau, and on a budget of time or rollouts', () => {
    const ends = (until: string, rewards?: readonly number[]) =>
      walk(recipeOf(until), undefined, rewards).find((action) => action.startsWith('finish'));
    expect(ends('{ steps: 9, plateau: { window_steps: 2, min_delta: 0.1 } }', [0, 0.5, 0.5, 0.5])).toBe(
      'finish: plateau',
    );
    // The reward rises, the component that is watched does not.
    const watched = '{ steps: 9, plateau: { window_steps: 1, min_delta: 0.1, metric: exact_match } }';
    expect(ends(watched, [0, 0.5, 1, 1.5])).toBe('finish: plateau');
    // P2: steps in which nobody gave it say nothing of it.
    expect(ends(watched.replace('exact_match', 'f1'), [0, 0.5, 1, 1.5])).toBe('finish: steps');
    expect(() => recipeOf(watched.replace('exact_match', 'exact_mach'))).toThrow('did you mean exact_match?');
    expect(ends('{ steps: 9, budget: { minutes: 1 } }')).toBe('finish: budget');
    expect(ends('{ steps: 9, budget: { rollouts: 25 } }')).toBe('finish: budget');
  });

  it('P5: gathers as many steps ahead as staleness allows, and none across an evaluation or the end', () => {
    const works = (until: string, extra: string, evalEvery = 0) =>
      walk(recipeOf(until, extra, evalEvery))
        .slice(3)
        .filter((action) => /gather|train|step-/.test(action));
    expect(works('{ steps: 4 }', ', max_staleness: 1').slice(0, 8)).toEqual([
      'gather 0',
      'gather 1',
      'train 0',
      'gather 2',
      'train 1',
      'gather 3',
      'train 2',
      'train 3',
    ]);
    expect(works('{ steps: 4 }', ', max_staleness: 3', 2).slice(0, 9)).toEqual([
      'gather 0',
      'gather 1',
      'train 0',
      'train 1',
      'evaluate step-2 at 100',
      'gather 2',
      'gather 3',
      'train 2',
      'train 3',
    ]);
  });

  it('trains on what is decided when a budget ends the stage, gathers nothing more, and stays at the end', () => {
    const until = '{ steps: 9, plateau: { window_steps: 1, min_delta: 0.1 } }';
    // The second step brings the end; the third, which was decided before, would take it back.
    const seen = walk(recipeOf(until, ', max_staleness: 1'), undefined, [0.5, 0.5, 1]);
    const stage = seen.slice(3, seen.indexOf('enter two'));
    expect(stage).toEqual([
      'gather 0',
      'gather 1',
      'train 0',
      'gather 2',
      'train 1',
      'train 2',
      'finish: plateau',
      'evaluate after at 100',
    ]);
  });

  it('follows what a gate decided', () => {
    const gated = recipeOf('{ steps: 1 }', ', gate: { metric: sampled.exact_match, at_least: 0.5 }');
    expect(walk(gated).slice(0, 9)).toContain('gate: continue');
    expect(walk(gated, () => 'stop').at(-1)).toBe('failed the gate of stage one did not open: why');
    const repeated = walk(gated, (_stage, round) => (round === 0 ? 'repeat' : 'continue'));
    expect(repeated.filter((action) => action === 'enter one')).toHaveLength(2);
    expect(walk(gated, () => 'roll_back').at(-1)).toBe('finished');
  });
});
