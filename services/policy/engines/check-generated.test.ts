import { create } from '@bufbuild/protobuf';
import { afterEach, expect, it } from 'vitest';
import { GenerateRequestSchema, GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { engine, gateway, stopAll, turnOf } from '../gateway-under-test.ts';
import { checkGenerated } from './check-generated.ts';

afterEach(stopAll);

const prompt = [1, 2, 3];
const request = create(GenerateRequestSchema, {
  tokenIds: prompt,
  contextTokens: 8,
  sampling: { maxNewTokens: 4 },
  minVersion: 7n,
});
interface Answer {
  readonly tokenIds: number[];
  readonly logprobs: number[];
  readonly finishReason: FinishReason;
  readonly logprobKind: LogprobKind;
  readonly versions: { readonly first: bigint; readonly last: bigint } | undefined;
  readonly sequenceDigest?: Uint8Array;
}

const answer: Answer = {
  tokenIds: [4, 499],
  logprobs: [-1, 5e-6],
  finishReason: FinishReason.STOP,
  logprobKind: LogprobKind.UNSPECIFIED,
  versions: { first: 7n, last: 8n },
};

function check(changes: Partial<Answer>, vocabularySize = 500): void {
  const { versions, sequenceDigest: digest, ...given } = { ...answer, ...changes };
  const response = create(GenerateResponseSchema, {
    ...given,
    ...(versions !== undefined && { versions }),
    sequenceDigest: digest ?? sequenceDigest([...prompt, ...given.tokenIds]),
  });
  checkGenerated(request, response, { address: '10.0.0.7:1', vocabularySize });
}

it.each<[string, Partial<Answer>, string]>([
  ['NaN', { logprobs: [-1, NaN] }, 'gave NaN as the log-probability of token 1 of 2'],
  ['minus infinity', { logprobs: [-1, -Infinity] }, 'gave -Infinity as'],
  ['more than certainty', { logprobs: [0.5, -1] }, 'gave 0.5 as'],
  ['too few log-probabilities', { logprobs: [-1] }, 'gave 1 logprobs for 2 tokens'],
  ['log-probabilities of text alone', { logprobKind: LogprobKind.ABSENT }, 'gave 2 logprobs for 2 tokens'],
  ['a token beyond the vocabulary', { tokenIds: [1, 700] }, 'gave token id 700, and its vocabulary has 500'],
  [
    'more than was asked for',
    { tokenIds: Array(5).fill(1), logprobs: Array(5).fill(-1) },
    'gave 5 tokens where 4 had room',
  ],
  ['an end without a reason', { finishReason: FinishReason.UNSPECIFIED }, 'gave no finish reason'],
  ['a turn of no version', { versions: undefined }, 'did not say which policy version wrote'],
  ['a reversed span', { versions: { first: 9n, last: 8n } }, 'said that versions 9 to 8 wrote, in this order'],
  [
    'a turn of older weights',
    { versions: { first: 6n, last: 7n } },
    'wrote with version 6, and was asked for 7 or later',
  ],
  [
    'a turn after another prompt',
    { sequenceDigest: sequenceDigest([1, 2, 4, 499]) },
    'wrote after another sequence than the 3 tokens',
  ],
])('P2: %s is not a turn, and the engine is named', (_what, response, message) => {
  expect(() => check(response)).toThrow(`engine 10.0.0.7:1 ${message}`);
});

it.each<[string, Partial<Answer>, RegExp]>([
  ['damage', { logprobs: [-1, NaN] }, /may be damaged/],
  ['damage', { tokenIds: [1, 700] }, /may be damaged/],
  ['a restart', { versions: { first: 6n, last: 7n } }, /; it was restarted since/],
  ['another contract', { logprobs: [-1] }, /does not keep to the contract of EngineService/],
  ['another contract', { finishReason: FinishReason.UNSPECIFIED }, /does not keep to the contract of EngineService/],
])('P9: what is wrong points to %s', (_what, response, message) => {
  expect(() => check(response)).toThrow(message);
});

it('tokens of the vocabulary with their log-probabilities pass, as does a certainty that was rounded up', () => {
  expect(() => check({})).not.toThrow();
  expect(() => check({ tokenIds: [4, 123_456] }, 0)).not.toThrow();
  expect(() => check({ logprobs: [], logprobKind: LogprobKind.ABSENT })).not.toThrow();
});

it('P2: a turn of a damaged engine is done by another one, and without one fails with its name', async () => {
  const damaged = await engine({ script: () => ({ text: '<answer> x </answer>', corrupt: 'logprob_values' }) });
  const { client } = await gateway([damaged]);
  await expect(client.generate(turnOf('a'))).rejects.toThrow(
    `engine ${damaged.address} gave NaN as the log-probability`,
  );
  await expect(client.generate(turnOf('a'))).rejects.toMatchObject({ name: 'TransientError' });
  const both = await gateway([damaged, await engine()]);
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => both.client.generate(turnOf(`s${index}`))));
  expect(answers.map(({ text }) => text)).toEqual(Array(8).fill('<answer> 0 </answer>'));
});
