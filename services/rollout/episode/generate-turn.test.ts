import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { RolloutLimitsSchema, RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { FinishReason, SamplingSchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { generateTurn } from './generate-turn.ts';
import { createSequenceRecorder } from './sequence-recorder.ts';

const prompt = [1, 2, 3];

const answer = {
  tokenIds: [4, 5],
  logprobs: [-1, -1],
  finishReason: FinishReason.STOP as FinishReason,
  versions: { first: 0n, last: 0n } as { first: bigint; last: bigint } | undefined,
  sequenceDigest: sequenceDigest([...prompt, 4, 5]),
};

/** One turn whose answer came as this; gives the turns that were counted as different. */
async function turnOf(changes: Partial<typeof answer>) {
  const recorder = createSequenceRecorder(8);
  recorder.begin('p', prompt, 'hash');
  const differed: number[] = [];
  const { versions, ...given } = { ...answer, ...changes };
  const response = create(GenerateResponseSchema, { ...given, ...(versions !== undefined && { versions }) });
  const task = {
    task: create(RolloutTaskSchema, { taskId: 't' }),
    sampling: create(SamplingSchema, {}),
    limits: create(RolloutLimitsSchema, { contextTokens: 8, turnTimeoutMs: 1000 }),
  };
  const ports = {
    generate: async () => response,
    tokens: { tokenize: () => Promise.reject(new Error('nothing is tokenised')) },
    retries: { retries: 0, baseDelayMs: 1 },
    waits: { begin: () => ({ [Symbol.dispose]() {} }) },
    events: {
      turnEnded() {},
      environmentStepped() {},
      toolEnded() {},
      turnAbandoned() {},
      callRetried() {},
      tokensDiffer: (_task: string, turn: number) => void differed.push(turn),
    },
  };
  const outcome = await generateTurn(task, { stop: [] }, ports, recorder, 0, new AbortController().signal).catch(
    (thrown: unknown) => thrown,
  );
  return { outcome, differed, recorded: recorder.tokenIds };
}

it("P4: a turn is appended when the sequence is the engine's own", async () => {
  expect(await turnOf({})).toMatchObject({ recorded: [...prompt, 4, 5], differed: [] });
});

it('P2, P4: nothing is used of a turn whose digest is of another sequence, and it is counted', async () => {
  const { outcome, differed } = await turnOf({ sequenceDigest: sequenceDigest([4, 5]) });
  expect(outcome).toMatchObject({ name: 'InfrastructureFailure', failure: FailureClass.INTERNAL });
  expect(String(outcome)).toContain("the engine's sequence is not the concatenation of the segments (5 tokens)");
  expect(differed).toEqual([0]);
});

it.each([
  [{ versions: undefined }, 'did not say which policy version wrote'],
  [{ logprobs: [-1] }, 'gave 1 logprobs for 2 tokens'],
  [{ tokenIds: [4, 5, 6, 7, 8, 9], logprobs: Array(6).fill(-1) }, 'gave 6 tokens where 5 had room'],
])('P2: a turn that breaks the contract is a failure of the platform: %#', async (changes, problem) => {
  const { outcome, recorded } = await turnOf(changes);
  expect(outcome).toMatchObject({ name: 'InfrastructureFailure', failure: FailureClass.INTERNAL });
  expect(String(outcome)).toContain(problem);
  expect(recorded).toEqual(prompt);
});
