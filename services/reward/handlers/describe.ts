import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { detectorNames } from '#shared/rewards/detector-names.ts';
import { scorerNames } from '#shared/rewards/scorer-catalogue.ts';
import type { Judges } from '../judge/judges.ts';

/** The names that a recipe may give weights to, and how the judges fare. */
export function describe(judges: Judges): MessageInitShape<typeof DescribeResponseSchema> {
  return {
    scorers: [...scorerNames],
    detectors: [...detectorNames],
    judges: judges.all.map((judge) => {
      const { running, calls, retries, cacheHits, absences, promptTokens, completionTokens, ...state } =
        judge.snapshot();
      return {
        ...state,
        name: judge.name,
        model: judge.settings.model,
        runningCalls: running,
        calls: BigInt(calls),
        retries: BigInt(retries),
        cacheHits: BigInt(cacheHits),
        absences: BigInt(absences),
        promptTokens: BigInt(promptTokens),
        completionTokens: BigInt(completionTokens),
      };
    }),
  };
}
