import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeRequest, DescribeResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import type { CustomScorers } from '../custom/custom-scorers.ts';
import { settingsProblems } from '../custom/settings-problems.ts';
import type { Judges } from '../judge/judges.ts';

/** The names that a recipe may give weights to, how judges and custom scorers fare, and what these refuse of given settings. */
export async function describe(
  judges: Judges,
  custom: CustomScorers,
  { customSettings }: DescribeRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof DescribeResponseSchema>> {
  return {
    settingsProblems: await settingsProblems(customSettings, custom, signal),
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
