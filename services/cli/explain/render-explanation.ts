import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { ExplainResponse, Judgement } from '#proto/reward/v1/reward_pb.ts';
import { rowFacts } from '#questions/row-facts.ts';
import { shortNumber, describeStep } from '#rewards/describe-step.ts';
import type { RecordedScore } from '#trajectory/recorded-score.ts';
import type { Colours } from '../terminal/colours.ts';
import { shortId, tableLines } from '../terminal/format.ts';
import { failureWord } from '#trajectory/enum-words.ts';
import { componentRows, detectorRows, type ComponentRow } from './component-rows.ts';
import type { GroupStory, OwnOutcome } from '#run/group-story.ts';
import type { CompositionStep } from '#rewards/compose.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import { renderGroup } from './render-group.ts';

export interface ScoredRollout {
  readonly recorded: RecordedScore;
  readonly explained: ExplainResponse;
  /** Of its task. */
  readonly composition: Composition;
}

export interface ExplainedRollout {
  readonly result: RolloutResult;
  /** Undefined for a rollout that the platform failed. */
  readonly scored: ScoredRollout | undefined;
  /** Undefined when the run's ledger is gone, or knows no such group. */
  readonly group: GroupStory | undefined;
}

/** How a rollout's reward came about, from what it wrote to what was trained with. */
export function renderExplanation({ result, scored, group }: ExplainedRollout, colours: Colours): string[] {
  return [
    colours.bold(`rollout ${shortId(result.taskId)}`),
    `run ${result.runId}, stage ${result.stage}, ${purposeWord(result)}, group ${shortId(result.groupId)}, sample ${result.sampleIndex}, attempt ${result.attempt}`,
    ...(scored === undefined ? noReward(result, colours) : renderScore(result, scored, group?.closed?.own, colours)),
    ...(group === undefined ? [] : ['', ...renderGroup(group, result, colours)]),
  ];
}

function purposeWord({ purpose }: RolloutResult): string {
  return purpose === Purpose.EVAL ? 'evaluation' : 'training';
}

function noReward(result: RolloutResult, colours: Colours): string[] {
  return [
    '',
    `${colours.bold('reward: none')} (${[failureWord(result.failure), result.failureDetail].filter((part) => part !== '').join(': ')})`,
    'The platform failed, not the policy: the rollout is absent, which is no 0.',
  ];
}

function renderScore(
  result: RolloutResult,
  { recorded, explained, composition }: ScoredRollout,
  own: OwnOutcome | undefined,
  colours: Colours,
): string[] {
  const { item, score } = recorded;
  const rows = componentRows(score, explained, composition, own?.components ?? {});
  const { question, answers } = rowFacts(item.row);
  const fired = detectorRows(score, explained);
  const { steps, total } = composeRecorded(composition, result, own?.components);
  const reads = new Set([...composition.penalties, ...composition.gates].map(({ name }) => name));
  const counts = (row: ComponentRow): boolean => row.weight > 0 || row.differs || reads.has(row.name);
  const changed = [...rows, ...fired].filter(({ differs }) => differs);
  const reward = own?.counted === true ? own.reward : total;
  return [
    ...(question === '' ? [] : [`question: ${question}`]),
    `gold: ${answers.length === 0 ? (item.row?.goldJson ?? '') : answers.map((text) => JSON.stringify(text)).join(', ')}`,
    `prediction: ${result.prediction === undefined ? 'none' : JSON.stringify(result.prediction)}`,
    '',
    ...componentTable(rows, colours),
    ...rows.filter(counts).flatMap((row) => renderReasons(row, score.judgements[row.name], colours)),
    ...(fired.length === 0
      ? [colours.dim(`no detector of ${explained.detectors.length} fired`)]
      : fired.flatMap((row) => renderReasons(row, undefined, colours, 'detector '))),
    '',
    ...renderSteps(steps, colours),
    colours.bold(`reward: ${reward === undefined ? 'none' : shortNumber(reward)}`),
    ...(changed.length > 0
      ? [
          colours.red(
            `${changed.map(({ name }) => name).join(', ')}: scored again it is another number, so another version of the scorer gave the reward`,
          ),
        ]
      : []),
    ...(reward !== undefined && total !== reward
      ? [colours.red(`the composition of what was recorded is ${shortNumber(total)}, not the recorded reward`)]
      : []),
  ];
}

function componentTable(rows: readonly ComponentRow[], colours: Colours): string[] {
  const painted = rows.map(({ name, weight, recorded, recomputed, absent, differs }) => {
    const again = recomputed === undefined ? 'not asked again' : differs ? shortNumber(recomputed) : 'the same';
    const cells = [
      name,
      `${weight}`,
      recorded === undefined ? 'absent' : shortNumber(recorded),
      recorded === undefined || weight === 0 ? '' : shortNumber(weight * recorded),
      absent === '' ? again : absent,
    ];
    return differs ? cells.map(colours.red) : weight === 0 ? cells.map(colours.dim) : cells;
  });
  return tableLines(painted, {
    head: ['component', 'weight', 'recorded', 'contribution', 'scored again'],
    compact: true,
    align: ['left', 'right', 'right', 'right', 'left'],
  });
}

function renderReasons(row: ComponentRow, judgement: Judgement | undefined, colours: Colours, kind = ''): string[] {
  const value =
    row.recorded === undefined ? `absent${row.absent === '' ? '' : ` (${row.absent})`}` : shortNumber(row.recorded);
  const lines = [...row.reasons, ...(judgement === undefined ? [] : judgementLines(judgement))];
  return [`${colours.bold(`${kind}${row.name}`)} ${value}`, ...lines.map((line) => `  ${line}`)];
}

function judgementLines({ grade, criteria, replyId, source }: Judgement): string[] {
  return [
    ...(grade === '' ? [] : [`grade: ${grade}`]),
    ...Object.entries(criteria).map(([name, value]) => `${name}: ${shortNumber(value)}`),
    source === 'rule' ? 'the judge was not asked' : `from reply ${JSON.stringify(replyId)} (${source})`,
  ];
}

/** A line for each step of a composition, with the total after it. */
function renderSteps(steps: readonly CompositionStep[], colours: Colours): string[] {
  return steps.map((step) => {
    const { name, reasons } = describeStep(step);
    // Gates and clips say themselves what the total is then.
    const result = step.kind === 'gate' || step.kind === 'clip' ? '' : ` = ${shortNumber(step.after)}`;
    return `${colours.bold(name)}: ${reasons.join('; ')}${result}`;
  });
}
