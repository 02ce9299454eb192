import Table from 'cli-table3';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { ExplainResponse, Judgement } from '#proto/reward/v1/reward_pb.ts';
import { shortNumber } from '#shared/rewards/short-number.ts';
import type { RecordedScore } from '#shared/trajectory/recorded-score.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { failureWord } from '../transcript/render-transcript.ts';
import { componentRows, detectorRows, recordedSteps, type ComponentRow } from './component-rows.ts';
import type { GroupStory } from './group-story.ts';
import { renderGroup } from './render-group.ts';
import { renderSteps } from './render-steps.ts';

type Colours = Terminal['colours'];

export interface ExplainedRollout {
  readonly result: RolloutResult;
  /** Undefined for a rollout that got no reward. */
  readonly scored: { readonly recorded: RecordedScore; readonly explained: ExplainResponse } | undefined;
  /** Undefined when the run's ledger is gone, or knows no such group. */
  readonly group: GroupStory | undefined;
}

/** How a rollout's reward came about, from what it wrote to what was trained with. */
export function renderExplanation({ result, scored, group }: ExplainedRollout, colours: Colours): string {
  return [
    colours.bold(`rollout ${result.taskId}`),
    `run ${result.runId}, stage ${result.stage}, ${purposeWord(result)}, group ${result.groupId}, sample ${result.sampleIndex}, attempt ${result.attempt}`,
    ...(scored === undefined ? noReward(result, colours) : renderScore(result, scored, colours)),
    ...(group === undefined ? [] : ['', ...renderGroup(group, result, colours)]),
  ].join('\n');
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
  { recorded, explained }: NonNullable<ExplainedRollout['scored']>,
  colours: Colours,
): string[] {
  const { item, score } = recorded;
  const rows = componentRows(score, explained);
  const fired = detectorRows(score, explained);
  const { steps, total } = recordedSteps(item, score);
  const reads = new Set(
    [...(item.composition?.penalties ?? []), ...(item.composition?.gates ?? [])].map(({ name }) => name),
  );
  const counts = (row: ComponentRow): boolean => row.weight > 0 || row.differs || reads.has(row.name);
  const changed = [...rows, ...fired].filter(({ differs }) => differs);
  return [
    ...(item.question === '' ? [] : [`question: ${item.question}`]),
    `gold: ${item.answers.map((text) => JSON.stringify(text)).join(', ')}`,
    `prediction: ${result.prediction === undefined ? 'none' : JSON.stringify(result.prediction)}`,
    '',
    componentTable(rows, colours),
    ...rows.filter(counts).flatMap((row) => renderReasons(row, score.judgements[row.name], colours)),
    ...(fired.length === 0
      ? [colours.dim(`no detector of ${explained.detectors.length} fired`)]
      : fired.flatMap((row) => renderReasons(row, undefined, colours, 'detector '))),
    '',
    ...renderSteps(steps, colours),
    colours.bold(`reward: ${result.reward === undefined ? 'none' : shortNumber(result.reward)}`),
    ...(changed.length > 0
      ? [
          colours.red(
            `${changed.map(({ name }) => name).join(', ')}: scored again it is another number, so another version of the scorer gave the reward`,
          ),
        ]
      : []),
    ...(result.reward !== undefined && total !== result.reward
      ? [colours.red(`the composition of what was recorded is ${shortNumber(total)}, not the recorded reward`)]
      : []),
  ];
}

function componentTable(rows: readonly ComponentRow[], colours: Colours): string {
  const table = new Table({
    head: ['component', 'weight', 'recorded', 'contribution', 'scored again'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'left'],
  });
  for (const { name, weight, recorded, recomputed, absent, differs } of rows) {
    const again = recomputed === undefined ? 'not asked again' : differs ? shortNumber(recomputed) : 'the same';
    const cells = [
      name,
      `${weight}`,
      recorded === undefined ? 'absent' : shortNumber(recorded),
      recorded === undefined || weight === 0 ? '' : shortNumber(weight * recorded),
      absent === '' ? again : absent,
    ];
    table.push(differs ? cells.map(colours.red) : weight === 0 ? cells.map(colours.dim) : cells);
  }
  return table.toString();
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
