import type { MessageInitShape } from '@bufbuild/protobuf';
import { onTestFinished } from 'vitest';
import type { ScoreGroupRequestSchema, ScoreGroupResponse } from '#proto/reward/v1/group_pb.ts';
import { startScriptedJudge, type ScriptedJudgeOptions } from '../../../tests/fakes/scripted-judge.ts';
import { startRewardUnderTest } from '../service-under-test.ts';

export type Request = MessageInitShape<typeof ScoreGroupRequestSchema>;

const fast = { model: 'scripted', retryBaseMs: 1, retryMaxMs: 4 };
export const allPairs = { method: { case: 'pairwise', value: {} } } as const;
export const listwise = { method: { case: 'listwise', value: {} } } as const;

/** A reward service with a scripted judge; both end with the test. */
export async function fleet(options: ScriptedJudgeOptions = {}, settings: object = {}) {
  const endpoint = await startScriptedJudge(options);
  const service = await startRewardUnderTest({ main: { ...fast, baseUrl: endpoint.baseUrl, ...settings } });
  onTestFinished(async () => {
    await service[Symbol.asyncDispose]();
    await endpoint[Symbol.asyncDispose]();
  });
  const ask = (request: Request): Promise<ScoreGroupResponse> =>
    service.reward.scoreGroup({ id: 'g', question: 'Where?', judge: 'main', ...request });
  return { endpoint, service, ask };
}

export function sample(id: string, text: string | undefined, pointwise?: number) {
  const turns =
    text === undefined
      ? []
      : [{ text: `<answer>${text}</answer>`, action: { case: 'answer', value: { text } } } as const];
  return { id, turns, ...(pointwise === undefined ? {} : { pointwise }) };
}

export const graded = (...qualities: number[]) =>
  qualities.map((quality, index) => sample(`s${index}`, `quality=${quality}`));
export const values = ({ scores }: ScoreGroupResponse): (number | undefined)[] => scores.map(({ score }) => score);
