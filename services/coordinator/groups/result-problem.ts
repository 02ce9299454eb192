import { create } from '@bufbuild/protobuf';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { environmentMetricsProblem } from '#rewards/environment-metrics.ts';
import type { StageRole } from '#recipe/stage-roles.ts';
import { missingFor } from '#rewards/missing-for.ts';
import { areBranches } from '#trajectory/branches.ts';
import { isInfrastructure, isUserCode } from '#run/rollouts/failure-classes.ts';

/**
 * Why a result cannot be what a rollout of this group gave, with field, value and what would be right; undefined when it can. A number
 * that no scorer gives, and a component without which there is no reward, would be in every mean after it (P2). `roles`: those that its rewards
 * are composed by, of training. Pure.
 */
export function resultProblem(
  result: RolloutResult,
  groupId: string,
  composition: Composition,
  roles?: readonly StageRole[],
): string | undefined {
  if (isInfrastructure(result.failure) || isUserCode(result.failure)) return undefined;
  if (result.groupId !== groupId) return `group_id: ${quoted(result.groupId)}; its task is of group ${groupId}`;
  for (const field of ['components', 'detectors'] as const)
    for (const [name, value] of Object.entries(result[field]))
      if (!isShare(value)) return `${field}.${quoted(name)}: ${value}; components and detectors are 0 to 1`;
  const problem = environmentMetricsProblem(result.environmentMetrics);
  if (problem !== undefined) return `environment_${problem}`;
  const { components, detectors } = result;
  const isToldAbsent = (name: string): boolean =>
    result.purpose === Purpose.EVAL && Object.hasOwn(result.absentComponents, name);
  const missing = missingFor(composition, { components, detectors, absent: {} }).find(
    ({ name }) => !isToldAbsent(name),
  );
  if (missing !== undefined) return `components.${quoted(missing.name)}: missing; the stage's composition reads it`;
  const ofRoles = roles && rolesProblem(result, roles);
  if (ofRoles !== undefined) return ofRoles;
  if (result.trajectorySequence === 0n) return 'trajectory_sequence: 0; a rollout with components has a trajectory';
  return undefined;
}

function rolesProblem({ roles: parts, components, detectors }: RolloutResult, roles: readonly StageRole[]) {
  if (roles.length === 0 && areBranches(parts.map(({ role }) => role))) return undefined;
  const known = roles.map(({ name }) => name).join(', ') || 'none';
  if (parts.length === 0 && roles.length > 0) return `roles: empty; the environment has ${known}`;
  for (const [index, { role: name }] of parts.entries()) {
    const role = roles.find((candidate) => candidate.name === name);
    if (role === undefined) return `roles[${index}].role: ${quoted(name)}; the environment has ${known}`;
    if (parts.findIndex((part) => part.role === name) !== index) return `roles[${index}].role: ${name} is there twice`;
    const [missing] = missingFor(role.composition, { components, detectors, absent: {} });
    if (missing !== undefined)
      return `components.${quoted(missing.name)}: missing; the reward of role ${name} reads it`;
  }
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
