import { toJson, type JsonValue } from '@bufbuild/protobuf';
import { GroupJudgedSchema, GroupOpenedSchema, GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { ExplainResponseSchema, ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { componentRows, detectorRows, recordedSteps } from './component-rows.ts';
import type { ClosedGroup } from './group-story.ts';
import type { ExplainedRollout } from './render-explanation.ts';

/** One line for machines: the messages as they were recorded, and what `gradus reward explain` makes of them. */
export function explanationJson({ result, scored, group }: ExplainedRollout): string {
  return JSON.stringify({
    result: toJson(RolloutResultSchema, result),
    ...(scored !== undefined && scoredJson(scored)),
    group:
      group === undefined
        ? null
        : {
            opened: toJson(GroupOpenedSchema, group.opened),
            closed: group.closed === undefined ? null : closedJson(group.closed),
          },
  });
}

function scoredJson({ recorded: { item, score }, explained }: NonNullable<ExplainedRollout['scored']>): object {
  const { steps, total } = recordedSteps(item, score);
  return {
    item: toJson(ScoreItemSchema, item),
    score: toJson(ScoreSchema, score),
    explanation: toJson(ExplainResponseSchema, explained),
    steps,
    total: Number.isNaN(total) ? null : total,
    differs: [...componentRows(score, explained), ...detectorRows(score, explained)]
      .filter(({ differs }) => differs)
      .map(({ name }) => name),
  };
}

function closedJson({ fate, judged, step, version, ...rest }: ClosedGroup): object {
  return {
    ...rest,
    fate:
      Object.entries(GroupFate)
        .find(([, value]) => value === fate)?.[0]
        .toLowerCase() ?? `${fate}`,
    judged: Object.fromEntries(
      Object.entries(judged).map(([name, value]): [string, JsonValue] => [name, toJson(GroupJudgedSchema, value)]),
    ),
    step: step === undefined ? null : Number(step),
    version: version === undefined ? null : Number(version),
  };
}
