import { fromJson, toBinary } from '@bufbuild/protobuf';
import { z } from 'zod';
import { ExplainResponseSchema, ScoreItemSchema } from '#proto/reward/v1/reward_pb.ts';
import type { ExplainResponse, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { askProgram } from '../process/ask-program.ts';

/** Starting a process and scoring one item takes well under a second. */
const timeoutMs = 60_000;

/** Why a recorded item has the numbers it has, by this version of the reward service's own code; needs no fleet. */
export async function explainScore(item: ScoreItem, signal: AbortSignal): Promise<ExplainResponse> {
  const answer = await askProgram({
    entry: 'services/reward/explain/main.ts',
    args: [],
    input: toBinary(ScoreItemSchema, item),
    answer: z.json(),
    timeoutMs,
    failure: 'the rollout cannot be explained',
    signal,
  });
  return fromJson(ExplainResponseSchema, answer);
}
