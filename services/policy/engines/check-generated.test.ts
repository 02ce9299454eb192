import { create } from '@bufbuild/protobuf';
import { afterEach, expect, it } from 'vitest';
import { GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { engine, gateway, stopAll, turnOf } from '../gateway-under-test.ts';
import { checkGenerated } from './engine-fleet.ts';

afterEach(stopAll);

const generated = (tokenIds: number[], logprobs: number[]) => create(GenerateResponseSchema, { tokenIds, logprobs });

it.each([
  ['NaN', [1, 2], [-1, NaN], 'gave NaN as the log-probability of token 1 of 2'],
  ['minus infinity', [1], [-Infinity], 'gave -Infinity as'],
  ['more than certainty', [1], [0.5], 'gave 0.5 as'],
  ['too few log-probabilities', [1, 2], [-1], 'gave 1 logprobs for 2 tokens'],
  ['a token beyond the vocabulary', [1, 700], [-1, -1], 'gave token id 700, and its vocabulary has 500'],
])('P2: %s is not a turn, and the engine is named', (_what, tokenIds, logprobs, message) => {
  const check = () => checkGenerated(generated(tokenIds, logprobs), '10.0.0.7:1', 500);
  expect(check).toThrow(`engine 10.0.0.7:1 ${message}`);
});

it('tokens of the vocabulary with their log-probabilities pass, as does a certainty that was rounded up', () => {
  expect(() => checkGenerated(generated([0, 499], [-3, 5e-6]), 'a:1', 500)).not.toThrow();
  expect(() => checkGenerated(generated([123_456], [-3]), 'a:1', 0)).not.toThrow();
});

it('P2: a turn of a damaged engine is done by another one, and without one fails with its name', async () => {
  const damaged = await engine({ script: () => ({ text: '<answer> x </answer>', corrupt: 'logprob_values' }) });
  const { client } = await gateway([damaged]);
  await expect(client.generate(turnOf('a'))).rejects.toThrow(
    `engine ${damaged.address} gave NaN as the log-probability`,
  );
  await expect(client.generate(turnOf('a'))).rejects.toMatchObject({ name: 'TransientError' });
  const sound = await engine();
  const both = await gateway([damaged, sound]);
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => both.client.generate(turnOf(`s${index}`))));
  expect(answers.map(({ text }) => text)).toEqual(Array(8).fill('<answer> 0 </answer>'));
});
