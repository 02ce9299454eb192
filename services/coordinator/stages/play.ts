import { failureWord } from '#trajectory/enum-words.ts';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { evaluationComposition } from '#recipe/stage-scorers.ts';
import { readRowFacts } from '#questions/row-facts.ts';
import { compose } from '#rewards/compose.ts';
import type { PlayRequest, Played, PlayedSample } from '#stages/kit/stage-context.ts';
import { currentStage } from '#run/ledger/run-state.ts';
import { askRows } from '../evaluation/ask-rows.ts';
import type { Sample } from '../groups/group.ts';
import { stageLabel } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';

/** Rollouts of rows for a stage that looks at what the policy does. They are an evaluation in the ledger. */
export async function play(context: RunContext, request: PlayRequest): Promise<Played> {
  const { stage, name, samples, mode } = request;
  const composition = evaluationComposition(context.recipe, stage);
  const entered = currentStage(context.ledger.state);
  const { train, heldOut } = context.rows;
  const rows = { train, held_out: heldOut, all: [...train, ...heldOut] }[request.rows];
  const asked = await askRows(context, {
    stage,
    label: stageLabel(stage, entered?.round ?? 0),
    name,
    stageStep: entered?.steps.length ?? 0,
    rows,
    limit: request.limit ?? rows.length,
    modes: Array.from({ length: samples }, () => mode),
    attempts: request.attempts,
    groupMs: request.groupMs,
    deadlineMs: request.deadlineMs,
  });
  return {
    played: asked.groups.map(({ plan: { row }, samples: of }) => ({
      id: row.id,
      tags: row.tags,
      // Parsed when they are asked for: nothing but `leaveRows` does.
      get data() {
        return readRowFacts(row).data;
      },
      get gold() {
        return readRowFacts(row).gold;
      },
      samples: of.map((sample) => playedSample(sample, composition)),
    })),
    async finish(further) {
      const drawn = mode === 'greedy' ? 'greedy' : 'sampled';
      await asked.finish(
        Object.fromEntries(Object.entries(further).map(([metric, value]) => [`${drawn}.${metric}`, value] as const)),
      );
    },
  };
}

function playedSample({ taskId, result, lastFailure }: Sample, composition: Composition): PlayedSample {
  if (result === undefined)
    return {
      rollout: taskId,
      values: {},
      grades: {},
      unscored: {},
      environment: {},
      prediction: undefined,
      failure: undefined,
      absent: lastFailure === undefined ? 'deadline' : failureWord(lastFailure.failure),
      absentDetail: lastFailure?.failureDetail ?? '',
      truncated: false,
      turns: 0,
      toolCalls: 0,
      modelTokens: 0,
      textOnly: false,
    };
  const reward = compose(composition, result);
  const { components, environmentMetrics, prediction, failure, truncated, turns, toolCalls, modelTokens, textOnly } =
    result;
  const unscored = Object.entries(result.absentComponents).map(([name, { reason, detail }]) => [
    name,
    { reason, detail },
  ]);
  return {
    rollout: taskId,
    values: { ...components, ...(reward !== undefined && { reward }) },
    grades: result.grades,
    unscored: Object.fromEntries(unscored),
    environment: environmentMetrics,
    prediction,
    failure: failure === FailureClass.UNSPECIFIED ? undefined : failureWord(failure),
    absent: undefined,
    absentDetail: '',
    truncated,
    turns,
    toolCalls,
    modelTokens,
    textOnly,
  };
}
