import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { detectorNames } from '#shared/rewards/detector-names.ts';
import { scorerNames } from '#shared/rewards/scorer-catalogue.ts';
import type { CustomScorers } from '../custom/custom-scorers.ts';
import type { Judges } from '../judge/judges.ts';

/** The names that a recipe may give weights to, and how judges and custom scorers fare. */
export function describe(judges: Judges, custom: CustomScorers): MessageInitShape<typeof DescribeResponseSchema> {
  return {
    scorers: [...scorerNames, ...custom.keys()],
    detectors: [...detectorNames],
    custom: [...custom.values()].map(({ name, kind, source, tally }) => {
      const { calls, absences, restarts } = tally();
      return { name, kind, source, calls: BigInt(calls), absences: BigInt(absences), restarts: BigInt(restarts) };
    }),
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
