import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { headlineOf } from '#recipe/environment-part.ts';
import { stageRoles } from '#recipe/stage-roles.ts';
import type { AskedGroup } from '#stages/kit/step-prompts.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import { groupwiseMetrics } from '../groupwise/groupwise-metrics.ts';
import { currentStage, nextStageStep } from '#run/ledger/run-state.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import { isKept } from '../groups/gather-plan.ts';
import type { Gathering } from '../groups/gathering.ts';
import type { Group } from '../groups/group.ts';
import type { RunContext } from '../run-context.ts';
import { roleMetrics } from './role-metrics.ts';
import { rolloutMetrics } from './step-metrics.ts';

/**
 * Decides the batch of a step from its closed groups. It is in the ledger, with what its rollouts were like, before anything
 * is trained: sending it again gives the same step. False when no group has anything to learn from.
 */
export async function formBatch(context: RunContext, stage: TrainingStage, gathering: Gathering): Promise<boolean> {
  const { groups, plan, failures } = gathering;
  const { stageStep } = plan;
  const { state } = context.ledger;
  if (stageStep !== nextStageStep(state))
    throw new TerminalError('internal', `batch ${stageStep} is formed when it is the turn of ${nextStageStep(state)}`);
  const kept = groups.filter((group) => isKept(group.fate)).slice(0, stage.batch.groups);
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
        `${message}: ${failures?.unscoredGroups() || "no rollout came back in time; see the workers' logs"}, then resume`,
      );
    }
    context.log.warn(
      { stage: stage.name, stageStep, groups: groups.length },
      'no group had rewards that vary: there is nothing left to learn in this stage',
    );
    return false;
  }
  const records = state.groups;
  const rewarded = kept.map((group) =>
    (records.get(group.plan.groupId)?.closed?.samples ?? []).filter((sample) => sample.reward !== undefined),
  );
  const step = state.step + state.formed.length + 1;
  const seconds = (context.now() - gathering.startedMs) / 1000;
  const learned = plan.purpose === Purpose.TRAIN ? plan.prompts.learned(groups.map(askedGroup)) : undefined;
  const { tags } = headlineOf(context.recipe);
  const metrics = {
    ...metricsOf(stage, gathering, records, tags),
    ...roleMetricsOf(context, stage, gathering),
    ...learned?.metrics,
    'time/rollout': seconds,
  };
  // First: with the batch in the ledger the next step may be planned. Recorded twice, after a kill between the two, they count once.
  for (const fact of learned?.facts(currentStage(state)?.progress) ?? [])
    await context.ledger.append({
      case: 'stageFact',
      value: { stage: stage.name, kind: stage.kind, json: JSON.stringify(fact) },
    });
  await context.ledger.append({
    case: 'stepFormed',
    value: {
      step: BigInt(step),
      stage: stage.name,
      stageStep,
      samples: rewarded.flat(),
      groupSizes: rewarded.map(({ length }) => length),
      metrics,
    },
  });
  context.events.phaseEnded('rollout', seconds);
  return true;
}

function metricsOf(
  stage: TrainingStage,
  { groups, plan }: Gathering,
  records: RunState['groups'],
  tags: readonly string[],
): Record<string, number> {
  const facts = groups.flatMap((group) => records.get(group.plan.groupId)?.closed ?? []);
  const closed = groups.flatMap((group) => {
    if (group.fate === undefined) return [];
    const outcomes = records.get(group.plan.groupId)?.closed?.samples ?? [];
    const results = group.samples.flatMap((sample) => (sample.result === undefined ? [] : [sample.result]));
    return [
      {
        fate: group.fate,
        tags: group.plan.row.tags,
        durationMs: (group.settledAtMs ?? group.openedAtMs) - group.openedAtMs,
        size: group.samples.length,
        results,
        rewards: outcomes.flatMap(({ reward }) => (reward === undefined ? [] : [reward])),
      },
    ];
  });
  return {
    ...rolloutMetrics(closed, plan.policy.version, stage.algorithm.variance_tolerance, tags),
    ...groupwiseMetrics(
      facts,
      groups.flatMap(({ scoringSeconds }) => scoringSeconds ?? []),
    ),
  };
}

function roleMetricsOf(
  { recipe, ledger }: RunContext,
  stage: TrainingStage,
  { groups }: Gathering,
): Record<string, number> {
  return roleMetrics(
    stageRoles(recipe, stage),
    groups.flatMap((group) => ledger.state.groups.get(group.plan.groupId)?.closed ?? []),
    groups.flatMap((group) => group.samples.flatMap(({ result }) => result ?? [])),
    stage.algorithm.variance_tolerance,
  );
}

function askedGroup({ plan: { row }, fate, samples }: Group): AskedGroup {
  const isOver = fate !== undefined && fate !== GroupFate.SURPLUS;
  const results = isOver ? samples.flatMap(({ result }) => (result === undefined ? [] : [result])) : [];
  return { row, isKept: isKept(fate), components: results.map(({ components }) => components) };
}
