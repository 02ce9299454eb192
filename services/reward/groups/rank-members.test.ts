import { describe, expect, test } from 'vitest';
import { PartialPolicy } from '#proto/reward/v1/group_pb.ts';
import { shownTexts } from '../../../tests/fakes/scripted-judge.ts';
import { fleet, graded, listwise, sample, values } from './group-under-test.ts';

describe('a group ranked as a list', () => {
  test('has the Borda share of each, over shuffled passes', async () => {
    const { ask, endpoint } = await fleet();
    const response = await ask({ ...listwise, samples: graded(0.1, 0.9, 0.5, 0.7, 0.9) });
    // The two of quality 0.9 are identical: they are shown once and tie.
    expect(values(response)).toEqual([0, 3.5 / 4, 0.25, 0.5, 3.5 / 4]);
    expect(response).toMatchObject({ planned: 3, judged: 3, judgements: 3, inconsistency: 0 });
    expect(endpoint.requests).toHaveLength(3);
    expect(new Set(endpoint.requests.map(({ request }) => JSON.stringify(shownTexts(request)))).size).toBe(3);
  });

  test('a judge that keeps the order in which it reads is found out', async () => {
    const { ask } = await fleet({ script: () => '{"ranking": [1, 2, 3, 4]}' });
    const value = { passes: 8 };
    const response = await ask({ method: { case: 'listwise', value }, samples: graded(1, 2, 3, 4) });
    expect(response.positionBias).toBe(1);
    expect(response.inconsistency).toBeGreaterThan(0.5);
  });

  test('P2: a ranking that leaves one out is not a ranking, and its scores are absent', async () => {
    const { ask } = await fleet({ script: () => '{"ranking": [1, 2]}' });
    const response = await ask({ ...listwise, samples: graded(1, 2, 3) });
    expect(values(response)).toEqual([undefined, undefined, undefined]);
    expect(response).toMatchObject({ missing: 3, absences: { unparsable: 3 } });
  });

  test('one pass that fails leaves the others', async () => {
    const { ask } = await fleet(
      { script: (_, call) => (call === 1 ? { status: 400, body: 'no' } : '{"ranking": [1, 2, 3]}') },
      { structuredOutput: 'off' },
    );
    const response = await ask({ ...listwise, partial: PartialPolicy.AGGREGATE, samples: graded(1, 2, 3) });
    expect(response).toMatchObject({ judged: 2, missing: 1, absences: { refused: 1 } });
    expect(values(response).every((score) => score !== undefined)).toBe(true);
  });

  test('nothing to rank is ranked by rule', async () => {
    const { ask, endpoint } = await fleet();
    const response = await ask({ ...listwise, samples: [sample('a', 'x'), sample('b', 'x'), sample('c', undefined)] });
    expect(values(response)).toEqual([0.75, 0.75, 0]);
    expect(endpoint.requests).toHaveLength(0);
  });
});
