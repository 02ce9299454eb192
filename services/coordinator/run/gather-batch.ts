import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import { versionOf } from '../ledger/run-state.ts';
import type { StageState } from '../ledger/run-state.ts';
import { gatherGroups, restoreGroups } from './gather-groups.ts';
import { createGroupCollector } from './group-collector.ts';
import type { Group } from './group-collector.ts';
import type { RunContext } from './run-context.ts';
import { rolloutMetrics } from './step-metrics.ts';
import { isKept, trainingPlan } from './training-plan.ts';

/** What the rollouts of a step were like; made while they are gathered, written when the step is committed. */
export interface BatchMetrics {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Rollouts of one step: gathers groups and decides the batch. The batch is in the ledger before anything is trained, so
 * that sending it again gives the same step. Undefined when no group had anything to learn from.
 */
export async function gatherBatch(
  context: RunContext,
  stage: StageRecipe,
  entered: StageState,
  stageStep: number,
): Promise<BatchMetrics | undefined> {
  const startedMs = context.now();
  context.progress.update({
    phase: Phase.ROLLOUT,
    done: 0,
    expected: stage.batch.groups * stage.batch.group_size,
    message: '',
  });
  const groups = await gatherGroups(context, trainingPlan(context, stage, entered, stageStep), context.signal);
  const records = context.ledger.state.groups;
  const kept = groups
    .filter((group) => isKept(records.get(group.plan.groupId)?.closed?.fate))
    .slice(0, stage.batch.groups);
  if (kept.length < stage.batch.groups && (stage.batch.on_short === 'error' || kept.length === 0)) {
    const message = `stage ${stage.name}, step ${stageStep + 1}: ${kept.length} of ${stage.batch.groups} groups can be trained on after ${groups.length} were tried`;
    if (stage.batch.on_short === 'error') {
      throw new TerminalError(
        'failed_precondition',
        `${message}; rewards do not vary within groups, or too many rollouts failed: raise batch.max_generation_batches, or set batch.on_short to smaller`,
      );
    }
    if (groups.every((group) => group.samples.every((sample) => sample.state === 'absent'))) {
      throw new TerminalError(
        'failed_precondition',
        `${message}: every rollout failed for reasons of infrastructure; see the workers' logs, then resume`,
      );
    }
    context.log.warn(
      { stage: stage.name, stageStep, groups: groups.length },
      'no group had rewards that vary: there is nothing left to learn in this stage',
    );
    return undefined;
  }
  const samples = kept.flatMap((group) =>
    (records.get(group.plan.groupId)?.closed?.samples ?? []).filter((sample) => sample.reward !== undefined),
  );
  const step = context.ledger.state.step + 1;
  await context.ledger.append({
    case: 'stepFormed',
    value: { step: BigInt(step), stage: stage.name, stageStep, samples },
  });
  const seconds = (context.now() - startedMs) / 1000;
  context.events.phaseEnded('rollout', seconds);
  return { step, metrics: { ...metricsOf(context, stage, groups), 'time/rollout': seconds } };
}

/** The same metrics for a batch that was decided before this process began. */
export async function recallBatchMetrics(
  context: RunContext,
  stage: StageRecipe,
  entered: StageState,
  stageStep: number,
): Promise<BatchMetrics> {
  const plan = trainingPlan(context, stage, entered, stageStep);
  const collector = createGroupCollector(plan.policy);
  await restoreGroups(context, plan, collector, context.signal);
  return { step: context.ledger.state.step + 1, metrics: metricsOf(context, stage, collector.groups) };
}

function metricsOf(context: RunContext, stage: StageRecipe, groups: readonly Group[]): Record<string, number> {
  const closed = groups.flatMap((group) => {
    const record = context.ledger.state.groups.get(group.plan.groupId)?.closed;
    if (record === undefined) return [];
    const results = group.samples.flatMap((sample) => (sample.result === undefined ? [] : [sample.result]));
    return [
      {
        fate: record.fate,
        durationMs: (group.settledAtMs ?? group.openedAtMs) - group.openedAtMs,
        size: group.samples.length,
        results,
      },
    ];
  });
  return rolloutMetrics(closed, versionOf(context.ledger.state), stage.algorithm.variance_tolerance);
}
