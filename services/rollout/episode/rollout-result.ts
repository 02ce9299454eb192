import { create } from '@bufbuild/protobuf';
import { AbsentComponentSchema, RolloutResultSchema, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { TrajectorySchema, VersionSpanSchema, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { bothEnds } from '#platform/text/show-value.ts';
import { countCalls } from '#rewards/call-outcome.ts';
import { packScore } from '#trajectory/recorded-score.ts';
import { countTokens, isTextOnly, segmentsOfRole, versionSpan } from '#trajectory/segments.ts';
import type { InfrastructureFailure } from './infrastructure-failure.ts';
import type { FinishedRollout } from './run-rollout.ts';
import type { UserCodeFailure } from './user-code-failure.ts';

const MAX_DETAIL_CHARACTERS = 1500;

export interface Provenance {
  readonly workerId: string;
  readonly durationMs: number;
}

function identity(task: RolloutTask) {
  const { runId, taskId, groupId, sampleIndex, stage, purpose, attempt } = task;
  return { runId, taskId, groupId, sampleIndex, stage, purpose, attempt };
}

/** `taskBytes`: the task as it came, which the trajectory keeps (P8). */
export function trajectoryOf(
  task: RolloutTask,
  taskBytes: Uint8Array,
  { record, item, score }: FinishedRollout,
): Trajectory {
  return create(TrajectorySchema, {
    runId: task.runId,
    taskId: task.taskId,
    segments: [...record.segments],
    tokenizerHash: record.tokenizerHash,
    sequenceDigest: record.sequenceDigest,
    roles: record.roles.map(({ role, sequenceDigest }) => ({ role, sequenceDigest })),
    task: taskBytes,
    ...packScore(record.segments, { item, score }),
  });
}

export function finishedResult(
  task: RolloutTask,
  { record, score }: FinishedRollout,
  trajectorySequence: number,
  provenance: Provenance,
): RolloutResult {
  const tokens = countTokens(record.segments);
  const span = versionSpan(record.segments);
  const tools = countCalls(record.turns);
  return create(RolloutResultSchema, {
    ...identity(task),
    ...provenance,
    failure: record.failure,
    components: score.components,
    absentComponents: Object.fromEntries(
      Object.entries(score.absent).map(([name, reason]) => [
        name,
        create(AbsentComponentSchema, { reason, detail: score.absentDetails[name] ?? '' }),
      ]),
    ),
    grades: Object.fromEntries(
      Object.entries(score.judgements).flatMap(([name, { grade }]) => (grade === '' ? [] : [[name, grade]])),
    ),
    detectors: score.detectors,
    environmentMetrics: record.metrics,
    ...(record.prediction === undefined ? {} : { prediction: record.prediction }),
    turns: record.modelTurns,
    generateMs: record.generateMs,
    toolCalls: tools.attempted,
    toolFailures: tools.failed,
    promptTokens: tokens.prompt,
    modelTokens: tokens.model,
    environmentTokens: tokens.environment,
    truncated: record.truncated,
    textOnly: isTextOnly(record.segments),
    ...(span === undefined ? {} : { versions: create(VersionSpanSchema, span) }),
    trajectorySequence: BigInt(trajectorySequence),
    roles: record.roles.map(({ role, turns, truncated }) => {
      const { prompt, model, environment } = countTokens(segmentsOfRole(record.segments, role));
      return { role, turns, promptTokens: prompt, modelTokens: model, environmentTokens: environment, truncated };
    }),
  });
}

/** A failure that is not the policy's: no reward and no trajectory, so that nobody can mistake it for a bad sample. */
export function failedResult(
  task: RolloutTask,
  failure: InfrastructureFailure | UserCodeFailure,
  provenance: Provenance,
): RolloutResult {
  return create(RolloutResultSchema, {
    ...identity(task),
    ...provenance,
    failure: failure.failure,
    failureDetail: bothEnds(failure.message, MAX_DETAIL_CHARACTERS),
  });
}
