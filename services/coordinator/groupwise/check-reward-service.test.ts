import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { DescribeRequestSchema, DescribeResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import type { RewardClient } from './score-with-retries.ts';
import { checkRewardService } from './check-reward-service.ts';

const recipe = parseRecipe(
  `
name: test
model: { path: m }
data: { world: {} }
scorers:
  correct: { kind: grade, judge: main }
  house: { kind: typescript, path: house.ts }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 100, max_new_tokens: 10 }
    rewards: { house: 1, correct: 1 }
    until: { steps: 1 }
  - name: two
    limits: { context_tokens: 100, max_new_tokens: 10 }
    rewards: { exact_match: 1, house: { weight: 0, free_cals: 3 } }
    until: { steps: 1 }
`,
  'test.yaml',
);

function clientWith(problems: Record<number, string>) {
  const asked: [string, string][] = [];
  const client: Pick<RewardClient, 'describe'> = {
    async describe(request) {
      const { customSettings } = create(DescribeRequestSchema, request);
      asked.push(...customSettings.map(({ name, settingsJson }): [string, string] => [name, settingsJson]));
      return create(DescribeResponseSchema, {
        judges: [{ name: 'main' }],
        custom: [{ name: 'house' }],
        settingsProblems: problems,
      });
    },
  };
  return { client, asked };
}

const { signal } = new AbortController();

it('asks custom scorers about the settings of every stage, and names stage and problem', async () => {
  const sound = clientWith({});
  await checkRewardService(recipe, sound.client, true, signal);
  expect(sound.asked).toEqual([
    ['house', ''],
    ['house', '{"free_cals":3}'],
  ]);
  const failure = checkRewardService(recipe, clientWith({ 1: 'unknown setting "free_cals"' }).client, true, signal);
  await expect(failure).rejects.toThrow(TerminalError);
  await expect(failure).rejects.toThrow(
    'scorers refuse their settings: rewards.house of stage two: unknown setting "free_cals"',
  );
});

it('asks nobody about a recipe that is taken over', async () => {
  const down = clientWith({ 0: 'bad' });
  await checkRewardService(recipe, down.client, false, signal);
  expect(down.asked).toEqual([]);
});
