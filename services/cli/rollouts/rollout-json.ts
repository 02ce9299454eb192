import { SegmentKind, type Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { readRowFacts } from '#questions/row-facts.ts';
import { failureWord, fateWord, finishWord, purposeWord } from '#trajectory/enum-words.ts';
import { rolloutSpan } from '#trajectory/rollout-span.ts';
import type { ReadRollout } from './read-selected.ts';
import { asIs } from '../terminal/json-line.ts';

/** What is known of a rollout without its text: a line of `gradus rollout list --json`. */
export function rolloutJson({ result, counted, recorded }: ReadRollout): Readonly<Record<string, unknown>> {
  const { reward, group } = counted;
  return {
    rollout: result.taskId,
    run: result.runId,
    group: result.groupId,
    sample: result.sampleIndex,
    attempt: result.attempt,
    stage: result.stage,
    step: group?.step ?? null,
    purpose: purposeWord(result.purpose),
    evaluation: group?.evaluation === '' ? null : (group?.evaluation ?? null),
    row: group?.questionId ?? recorded?.task.row?.id ?? null,
    tags: asIs(recorded?.task.row?.tags ?? null),
    reward: reward.kind === 'reward' ? reward.reward : null,
    isCounted: reward.kind === 'reward',
    fate: group?.fate === undefined ? null : fateWord(group.fate),
    components: asIs(result.components),
    detectors: asIs(result.detectors),
    environmentMetrics: asIs(result.environmentMetrics),
    prediction: result.prediction ?? null,
    failure: result.failure === FailureClass.UNSPECIFIED ? null : failureWord(result.failure),
    failureDetail: result.failureDetail === '' ? null : result.failureDetail,
    turns: result.turns,
    toolCalls: result.toolCalls,
    toolFailures: result.toolFailures,
    promptTokens: result.promptTokens,
    modelTokens: result.modelTokens,
    environmentTokens: result.environmentTokens,
    durationMs: result.durationMs,
    worker: result.workerId,
    traceId: rolloutSpan(result.runId, result.taskId).traceId,
  };
}

const kinds: Readonly<Record<SegmentKind, string>> = {
  [SegmentKind.UNSPECIFIED]: 'unknown',
  [SegmentKind.PROMPT]: 'prompt',
  [SegmentKind.MODEL]: 'model',
  [SegmentKind.ENVIRONMENT]: 'environment',
};

/** The same with the row and the whole sequence, token by token: a line of `gradus rollout export`. */
export function exportedJson(rollout: ReadRollout): Readonly<Record<string, unknown>> {
  const { recorded } = rollout;
  if (recorded === undefined) return { ...rolloutJson(rollout), data: null, gold: null, segments: null };
  const { row } = recorded.task;
  const { data, gold } = row === undefined ? { data: null, gold: null } : readRowFacts(row);
  return {
    ...rolloutJson(rollout),
    data: asIs(data),
    gold: asIs(gold),
    segments: recorded.trajectory.segments.map(segmentJson),
  };
}

function segmentJson({ kind, role, text, tokenIds, logprobs, finishReason, versions }: Segment): object {
  const written = kind === SegmentKind.MODEL;
  return {
    kind: kinds[kind] ?? 'unknown',
    ...(role !== '' && { role }),
    text,
    tokenIds,
    ...(written && {
      logprobs,
      finishReason: finishWord(finishReason),
      versions: versions === undefined ? null : [Number(versions.first), Number(versions.last)],
    }),
  };
}
