import { expect, test } from 'vitest';
import { parseRunSummary } from '#run/directory/run-summary.ts';
import { learningLines } from './learning-lines.ts';
import { exampleSummary } from './summary-under-test.ts';

const training = {
  groups: 4,
  flatGroups: 4,
  droppedGroups: 0,
  rewards: 16,
  zeroRewards: 12,
  absentRewards: 0,
  endings: { turn_limit: 12, answered: 4 },
  typicalRollout: 'a'.repeat(64),
};

/** Lines of the example, with another training in its stage, and more of the run. */
function linesOf(stage: object, run: object = {}): string[] {
  const { stages, ...others } = exampleSummary();
  const changed = { ...others, directory: '/home/me/runs/demo-1', stages: [{ ...stages[0], ...stage }], ...run };
  return learningLines(parseRunSummary(JSON.stringify(changed), 'summary.json'));
}

test('P9: a stage that learned nothing has its shares, how rollouts ended, and commands that show one', () => {
  const idle = { steps: 0, learnedSteps: 0, plannedSteps: 5, finished: 'nothing_to_learn', training };
  expect(linesOf(idle)).toEqual([
    'tool-use ended after 0 of 5 steps: nothing_to_learn',
    'nothing to learn in tool-use: 0 of 5 steps learned; 12 of 16 (75 %) rewards are 0; rewards do not vary in 4 of 4 (100 %) groups, 0 were dropped; rollouts ended: turn_limit 12, answered 4',
    '  look at one that ended as most did: gradus rollout show aaaaaaaaaaaa --home /home/me/runs',
    '  why it got its reward: gradus reward explain aaaaaaaaaaaa --home /home/me/runs',
  ]);
});

test('P9: steps that learned nothing, an early end, and what is missing have a line each; a stage that went as planned has none', () => {
  const whole = { learnedSteps: 2, plannedSteps: 2, finished: 'steps' };
  expect(linesOf({ ...whole, training: { ...training, flatGroups: 0 } })).toEqual([]);
  expect(
    linesOf(
      {
        ...whole,
        learnedSteps: 1,
        plannedSteps: 9,
        finished: 'plateau',
        training: { ...training, droppedGroups: 1, absentRewards: 4 },
      },
      { notRun: ['two', 'three'] },
    ),
  ).toEqual([
    'tool-use ended after 2 of 9 steps: plateau',
    '1 of 2 steps of tool-use learned nothing: no advantage, or no gradient',
    'in tool-use 1 of 4 groups were dropped, and 4 of 20 samples have no reward: they failed, and count in nothing',
    'not run: two, three',
  ]);
});

test('P9: a round that learned nothing says no more than that where another round of its stage has learned', () => {
  const { stages, ...others } = exampleSummary();
  const stage = { ...stages[0], plannedSteps: 5, training };
  const rounds = [
    { ...stage, learnedSteps: 2, finished: 'plateau' },
    { ...stage, round: 1, steps: 1, learnedSteps: 0, finished: 'nothing_to_learn' },
  ];
  const summary = parseRunSummary(JSON.stringify({ ...others, stages: rounds }), 'summary.json');
  expect(learningLines(summary)).toEqual([
    'tool-use ended after 2 of 5 steps: plateau',
    'tool-use ended after 1 of 5 steps: nothing_to_learn',
    '1 of 1 steps of tool-use learned nothing: no advantage, or no gradient',
  ]);
});

test('summaries of earlier versions have no such lines', () => {
  expect(linesOf({})).toEqual([]);
});
