import { expect, test } from 'vitest';
import { fuzzFace } from './fuzz-face.ts';

test('P9: of 1,000 damaged requests of all dialects each is answered, or refused by name as its dialect does', async () => {
  const { outcomes, problems } = await fuzzFace(1_000, 7);
  expect(problems).toEqual([]);
  expect([...outcomes.values()].reduce((sum, count) => sum + count, 0)).toBe(1_000);
  expect([...outcomes.keys()].toSorted()).toEqual(
    expect.arrayContaining([
      '200',
      '400 invalid_argument',
      '400 invalid_value',
      '400 previous_response_not_found',
      '400 unsupported_parameter',
    ]),
  );
});
