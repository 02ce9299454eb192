import { create } from '@bufbuild/protobuf';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { environmentMetricsProblem } from '#shared/rewards/environment-metrics.ts';
import { missingFor } from '#shared/rewards/missing-for.ts';
import { isInfrastructure, isUserCode } from './group-collector.ts';

/**
 * Why a result cannot be what a rollout of this group gave, with field, value and what would be right; undefined when it can. A number
 * that no scorer gives, and a component without which there is no reward, would be in every mean after it (P2). Pure.
 */
export function resultProblem(result: RolloutResult, groupId: string, composition: Composition): string | undefined {
  if (isInfrastructure(result.failure) || isUserCode(result.failure)) return undefined;
  if (result.groupId !== groupId) return `group_id: ${quoted(result.groupId)}; its task is of group ${groupId}`;
  for (const field of ['components', 'detectors'] as const)
    for (const [name, value] of Object.entries(result[field]))
      if (!isShare(value)) return `${field}.${quoted(name)}: ${value}; components and detectors are 0 to 1`;
  const problem = environmentMetricsProblem(result.environmentMetrics);
  if (problem !== undefined) return `environment_${problem}`;
  const { components, detectors } = result;
  const [missing] = missingFor(composition, { components, detectors, absent: {} });
  if (missing !== undefined) return `components.${quoted(missing.name)}: missing; the stage's composition reads it`;
  if (result.trajectorySequence === 0n) return 'trajectory_sequence: 0; a rollout with components has a trajectory';
  return undefined;
}

const rounding = 1e-6;

/** The same attempt as a failure of infrastructure: its sample is asked for again. */
export function refusedResult(result: RolloutResult, problem: string): RolloutResult {
  const { runId, taskId, groupId, sampleIndex, stage, purpose, attempt, workerId } = result;
  return create(RolloutResultSchema, {
    runId,
    taskId,
    groupId,
    sampleIndex,
    stage,
    purpose,
    attempt,
    workerId,
    failure: FailureClass.INTERNAL,
    failureDetail: `the result was refused: ${problem}`.slice(0, 500),
  });
}

/** Rounding may add a little. */
function isShare(value: number): boolean {
  return value >= -rounding && value <= 1 + rounding;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
