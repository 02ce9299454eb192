import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { headlineOf } from '#recipe/environment-part.ts';
import { evaluationComposition } from '#recipe/stage-scorers.ts';
import { environmentMeansIn } from '../series/environment-series.ts';
import { evaluatedSamples, evaluationMetrics } from './evaluation-metrics.ts';
import { evaluationPlan } from './evaluation-plan.ts';
import type { EvaluationParts } from './evaluation-plan.ts';
import { gatherGroups } from '../groups/gather-groups.ts';
import type { Group } from '../groups/group.ts';
import type { RunContext } from '../run-context.ts';

/** Rows that were asked of the policy as it is, in the order in which they were drawn. */
export interface AskedRows {
  readonly groups: readonly Group[];
  /** Writes them into the ledger as the evaluation `name`, with further metrics. */
  finish(further: Readonly<Record<string, number>>): Promise<void>;
}

export async function askRows(context: RunContext, parts: EvaluationParts): Promise<AskedRows> {
  const { stage, name, modes } = parts;
  const startedMs = context.now();
  context.progress.update({ phase: Phase.EVALUATE, done: 0, expected: 0, message: '' });
  const plan = evaluationPlan(context, parts);
  const groups = await gatherGroups(context, plan, AbortSignal.any([context.signal, context.stopSignal]));
  const seconds = (context.now() - startedMs) / 1000;
  context.events.phaseEnded('eval', seconds);
  return {
    groups,
    async finish(further) {
      const samples = evaluatedSamples(groups, (index) => (modes[index] === 'greedy' ? 'greedy' : 'sampled'));
      const composition = evaluationComposition(context.recipe, stage);
      const metrics = evaluationMetrics(samples, composition, headlineOf(context.recipe));
      const value = { stage: stage.name, name, metrics: { ...metrics, ...further, 'time/eval': seconds } };
      await context.ledger.append({ case: 'evalFinished', value });
      context.events.environmentReported('eval', environmentMeansIn(metrics));
    },
  };
}
