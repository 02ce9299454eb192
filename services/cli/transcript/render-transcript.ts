import { failureWord } from '#trajectory/enum-words.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { FinishReason, SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Segment, Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { rolloutSpan } from '#trajectory/rollout-span.ts';
import { recordedTask } from '#trajectory/recorded-task.ts';
import type { Colours } from '../terminal/colours.ts';
import { plural, shortId } from '../terminal/format.ts';

/** Lines that the policy is trained on begin with this, so that they stand out without colour too. */
export const trainedMark = '+ ';
const untrainedMark = '  ';

/** A rollout for reading: what each side wrote, what is trained on, how it was rewarded. */
export function renderTranscript(
  trajectory: Trajectory,
  result: RolloutResult,
  reward: number | undefined,
  colours: Colours,
): string[] {
  // The task of an evaluation says nothing of roles: there everything that the policy wrote is marked.
  const untrained = new Set(recordedTask(trajectory).roles.flatMap(({ name, train }) => (train ? [] : [name])));
  const isTrained = ({ kind, role }: Segment): boolean => kind === SegmentKind.MODEL && !untrained.has(role);
  const trained = trajectory.segments.filter(isTrained);
  const trainedTokens = trained.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const allTokens = trajectory.segments.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  return [
    colours.bold(`rollout ${shortId(result.taskId)}`),
    `run ${result.runId}, stage ${result.stage}, group ${shortId(result.groupId)}, sample ${result.sampleIndex}, attempt ${result.attempt}`,
    `${plural(result.turns, 'turn')}, ${result.toolCalls - result.toolFailures} of ${plural(result.toolCalls, 'tool call')} succeeded, ${result.durationMs} ms on ${result.workerId}`,
    `trace ${rolloutSpan(result.runId, result.taskId).traceId}`,
    colours.dim(`lines marked with '${trainedMark.trim()}' are trained on: ${trainedTokens} of ${allTokens} tokens`),
    '',
    ...trajectory.segments.flatMap((segment) => renderSegment(segment, isTrained(segment), colours)),
    '',
    ...renderOutcome(result, reward, colours),
  ];
}

function renderSegment(segment: Segment, isTrained: boolean, colours: Colours): string[] {
  const mark = isTrained ? trainedMark : untrainedMark;
  const paint = isTrained ? colours.green : (text: string): string => text;
  const text = segment.text.replace(/\n$/, '').split('\n');
  return [colours.dim(headerOf(segment)), ...text.map((line) => paint(`${mark}${line}`))];
}

function headerOf(segment: Segment): string {
  const tokens = plural(segment.tokenIds.length, 'token');
  const whose = segment.role === '' ? '' : ` of ${segment.role}`;
  switch (segment.kind) {
    case SegmentKind.PROMPT:
      return `-- prompt${whose}, ${tokens}`;
    case SegmentKind.ENVIRONMENT:
      return `-- environment${segment.role === '' ? '' : ` to ${segment.role}`}, ${tokens}`;
    case SegmentKind.MODEL: {
      const { first, last } = segment.versions ?? { first: 0n, last: 0n };
      const versions = first === last ? `version ${first}` : `versions ${first} to ${last}`;
      const mean = segment.logprobs.reduce((sum, value) => sum + value, 0) / Math.max(1, segment.logprobs.length);
      return `-- policy${segment.role === '' ? '' : ` as ${segment.role}`}, ${tokens}, ${versions}, ${finishWord(segment.finishReason)}, mean logprob ${mean.toFixed(3)}`;
    }
    default:
      return `-- unknown kind ${segment.kind}, ${tokens}`;
  }
}

function finishWord(reason: FinishReason): string {
  switch (reason) {
    case FinishReason.STOP:
      return 'stopped';
    case FinishReason.LENGTH:
      return 'cut: turn limit';
    case FinishReason.CONTEXT:
      return 'cut: context limit';
    case FinishReason.ABORTED:
      return 'aborted';
    default:
      return 'no reason given';
  }
}

function renderOutcome(result: RolloutResult, reward: number | undefined, colours: Colours): string[] {
  const parts = Object.entries(result.components)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${value.toFixed(3)}`);
  return [
    `answer: ${result.prediction === undefined ? 'none' : JSON.stringify(result.prediction)}`,
    colours.bold(`reward: ${reward === undefined ? 'none' : reward.toFixed(4)}`) +
      (parts.length === 0 ? '' : ` (unweighted: ${parts.join(', ')})`),
    ...environmentLine(result),
    ...(result.failure === FailureClass.UNSPECIFIED
      ? []
      : [`failure: ${failureWord(result.failure)} ${result.failureDetail}`.trimEnd()]),
  ];
}

/** What the environment reported of itself; nothing is scored by it. */
function environmentLine({ environmentMetrics }: RolloutResult): string[] {
  const parts = Object.entries(environmentMetrics)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${Number(value.toFixed(4))}`);
  return parts.length === 0 ? [] : [`environment: ${parts.join(', ')}`];
}
