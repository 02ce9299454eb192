import { dirname } from 'node:path';
import type { RunSummary, StageSummary } from '#run/directory/run-summary.ts';
import { shortId } from '../terminal/format.ts';
import { homeFlag } from './resume-hint.ts';

/** What keeps a run from having learned all that it was to learn: stages without a step that learned, ends before the last step, groups and rewards that are not there. */
export function learningLines(summary: RunSummary): string[] {
  const { stages, notRun, directory } = summary;
  // A repeated stage is here once for each round, and has learned where one of them did.
  const learned = new Set(stages.filter(({ steps, learnedSteps = steps }) => learnedSteps > 0).map(({ name }) => name));
  return [
    ...stages.flatMap((stage) => [
      ...endLine(stage),
      ...idleLines(stage, learned.has(stage.name), directory === '' ? '' : homeFlag(dirname(directory))),
      ...missingLine(stage),
    ]),
    ...(notRun.length === 0 ? [] : [`not run: ${notRun.join(', ')}`]),
  ];
}

function endLine({ name, finished, steps, plannedSteps = steps }: StageSummary): string[] {
  return finished === null || finished === 'steps' || steps >= plannedSteps
    ? []
    : [`${name} ended after ${steps} of ${plannedSteps} steps: ${finished}`];
}

function idleLines(stage: StageSummary, hasLearned: boolean, home: string): string[] {
  const { name, steps, plannedSteps = 0, learnedSteps = steps, training, finished } = stage;
  const idle = steps - learnedSteps;
  if (hasLearned || plannedSteps === 0 || training === undefined)
    return idle === 0 ? [] : [`${idle} of ${steps} steps of ${name} learned nothing: no advantage, or no gradient`];
  const { groups, flatGroups, droppedGroups, rewards, zeroRewards, endings, typicalRollout } = training;
  if (finished === null && groups === 0) return [];
  const ended = Object.entries(endings).map(([ending, count]) => `${ending} ${count}`);
  return [
    `${finished === null ? 'nothing learned yet' : 'nothing to learn'} in ${name}: 0 of ${plannedSteps} steps learned; ` +
      `${part(zeroRewards, rewards)} rewards are 0; rewards do not vary in ${part(flatGroups, groups)} groups, ${droppedGroups} were dropped` +
      (ended.length === 0 ? '' : `; rollouts ended: ${ended.join(', ')}`),
    ...(typicalRollout === null
      ? []
      : [
          `  look at one that ended as most did: gradus rollout show ${shortId(typicalRollout)}${home}`,
          `  why it got its reward: gradus reward explain ${shortId(typicalRollout)}${home}`,
        ]),
  ];
}

/** `12 of 48 (25 %)`. */
function part(count: number, of: number): string {
  return of === 0 ? `${count} of 0` : `${count} of ${of} (${Math.round((count / of) * 100)} %)`;
}

function missingLine({ name, training }: StageSummary): string[] {
  if (training === undefined || training.droppedGroups + training.absentRewards === 0) return [];
  const { groups, droppedGroups, rewards, absentRewards } = training;
  return [
    `in ${name} ${droppedGroups} of ${groups} groups were dropped, and ${absentRewards} of ${rewards + absentRewards} samples have no reward: they failed, and count in nothing`,
  ];
}
