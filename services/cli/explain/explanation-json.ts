import { fateWord } from '#trajectory/enum-words.ts';
import { toJson, type JsonValue } from '@bufbuild/protobuf';
import { GroupJudgedSchema, GroupOpenedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { ExplainResponseSchema, ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutResultSchema, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { componentRows, detectorRows } from './component-rows.ts';
import type { ClosedGroup, OwnOutcome } from '#run/group-story.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import type { ExplainedRollout, ScoredRollout } from './render-explanation.ts';

/** One line for machines: the messages as they were recorded, and what `gradus reward explain` makes of them. */
export function explanationJson({ result, scored, group }: ExplainedRollout): string {
  return JSON.stringify({
    result: toJson(RolloutResultSchema, result),
    ...(scored !== undefined && scoredJson(result, scored, group?.closed?.own)),
    group:
      group === undefined
        ? null
        : {
            opened: toJson(GroupOpenedSchema, group.opened),
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
    item: toJson(ScoreItemSchema, item),
    score: toJson(ScoreSchema, score),
    composition: toJson(CompositionSchema, composition),
    explanation: toJson(ExplainResponseSchema, explained),
    steps,
    total: total ?? null,
    differs: [...componentRows(score, explained, composition, own?.components ?? {}), ...detectorRows(score, explained)]
      .filter(({ differs }) => differs)
      .map(({ name }) => name),
  };
}

function closedJson({ fate, judged, step, version, ...rest }: ClosedGroup): object {
  return {
    ...rest,
    fate: fateWord(fate),
    judged: Object.fromEntries(
      Object.entries(judged).map(([name, value]): [string, JsonValue] => [name, toJson(GroupJudgedSchema, value)]),
    ),
    step: step === undefined ? null : Number(step),
    version: version === undefined ? null : Number(version),
  };
}
