import { expect, test } from 'vitest';
import { startRewardUnderTest } from '../service-under-test.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

const right = { text: '<answer>Paris</answer>', action: { case: 'answer', value: { text: 'Paris' } } } as const;
const item = { id: 'task-1', row: goldRow({ answers: ['Paris'] }), turns: [right], scorers: [{ name: 'exact_match' }] };

test('an item is explained over gRPC, and what has to be asked has no value', async () => {
  await using service = await startRewardUnderTest({});
  const judged = [{ name: 'correct', judge: 'of another config', method: { case: 'grade', value: {} } } as const];
  const explained = await service.reward.explain({
    item: { ...item, scorers: [...item.scorers, { name: 'house' }], judged },
  });
  expect(explained.components.map(({ name, value }) => [name, value]).slice(-3)).toEqual([
    ['exact_match', 1],
    ['house', undefined],
    ['correct', undefined],
  ]);
});

test.each([
  [{}, 'item: missing'],
  [{ item: { id: 'x' } }, 'row: missing'],
  [{ item: { ...item, row: { ...goldRow({}), goldJson: '[' } } }, 'row.gold_json: not valid JSON'],
  [{ item: { ...item, row: goldRow({}) } }, 'answers: empty'],
  [{ item: { ...item, scorers: [{ name: 'numeric' }] } }, 'is not a single number'],
])('an item that could not be scored is refused: %#', async (request, message) => {
  await using service = await startRewardUnderTest({});
  await expect(service.reward.explain(request)).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining(message),
  });
});
