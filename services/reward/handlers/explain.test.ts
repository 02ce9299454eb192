import { expect, test } from 'vitest';
import { startRewardUnderTest } from '../service-under-test.ts';

const right = { text: '<answer>Paris</answer>', action: { case: 'answer', value: { text: 'Paris' } } } as const;
const item = { id: 'task-1', answers: ['Paris'], turns: [right], rewards: [{ name: 'exact_match', weight: 2 }] };

test('an item is explained over gRPC, and what has to be asked has no value', async () => {
  await using service = await startRewardUnderTest({});
  const composition = { gates: [{ name: 'house', atLeast: 0.5, otherwise: 0 }] };
  const judged = [
    { name: 'correct', judge: 'of another config', weight: 0, method: { case: 'grade', value: {} } } as const,
  ];
  const explained = await service.reward.explain({ item: { ...item, judged } });
  expect(explained.total).toBe(2);
  expect(explained.components.map(({ name, value }) => [name, value]).slice(-2)).toEqual([
    ['xml', 1],
    ['correct', undefined],
  ]);
  const rewards = [...item.rewards, { name: 'house', weight: 0 }];
  const undecided = await service.reward.explain({ item: { ...item, rewards, composition } });
  expect(undecided.total).toBeUndefined();
  expect(undecided.steps.map(({ name, value }) => [name, value])).toEqual([
    ['sum', 2],
    ['gate house', undefined],
  ]);
});

test.each([
  [{}, 'item: missing'],
  [{ item: { ...item, answers: [] } }, 'answers: empty'],
  [{ item: { ...item, rewards: [{ name: 'numeric', weight: 1 }] } }, 'is no single number'],
  [
    { item: { ...item, composition: { normalize: true }, rewards: [] } },
    'composition.normalize: the weights add up to 0',
  ],
])('an item that could not be scored is refused: %#', async (request, message) => {
  await using service = await startRewardUnderTest({});
  await expect(service.reward.explain(request)).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining(message),
  });
});
