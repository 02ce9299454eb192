import { fateWord } from '#trajectory/enum-words.ts';
import { GroupJudgedSchema, GroupOpenedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { ExplainResponseSchema, ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutResultSchema, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { componentRows, detectorRows } from './component-rows.ts';
import type { ClosedGroup, OwnOutcome } from '#run/group-story.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import type { ExplainedRollout, ScoredRollout } from './render-explanation.ts';
import { asIs, jsonLine, messageJson } from '../terminal/json-line.ts';

/** One line for machines: the messages as they were recorded, and what `gradus reward explain` makes of them. */
export function explanationJson({ result, scored, group }: ExplainedRollout): string {
  return jsonLine({
    result: messageJson(RolloutResultSchema, result),
    ...(scored !== undefined && scoredJson(result, scored, group?.closed?.own)),
    group:
      group === undefined
        ? null
        : {
            opened: messageJson(GroupOpenedSchema, group.opened),
            closed: group.closed === undefined ? null : closedJson(group.closed),
          },
  });
}

function scoredJson(
  result: RolloutResult,
  { recorded: { item, score }, explained, composition }: ScoredRollout,
  own: OwnOutcome | undefined,
): object {
  const { steps, total } = composeRecorded(composition, result, own?.components);
  return {
    item: messageJson(ScoreItemSchema, item),
    score: messageJson(ScoreSchema, score),
    composition: messageJson(CompositionSchema, composition),
    explanation: messageJson(ExplainResponseSchema, explained),
    steps,
    total: total ?? null,
    differs: [...componentRows(score, explained, composition, own?.components ?? {}), ...detectorRows(score, explained)]
      .filter(({ differs }) => differs)
      .map(({ name }) => name),
  };
}

function closedJson({ fate, judged, own, step, version, ...rest }: ClosedGroup): object {
  return {
    ...rest,
    fate: fateWord(fate),
    own: own === undefined ? null : { ...own, components: asIs(own.components) },
    judged: asIs(
      Object.fromEntries(Object.entries(judged).map(([name, value]) => [name, messageJson(GroupJudgedSchema, value)])),
    ),
    step: step === undefined ? null : Number(step),
    version: version === undefined ? null : Number(version),
  };
}
