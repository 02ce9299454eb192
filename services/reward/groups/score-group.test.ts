import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Aggregation, Compared, PartialPolicy, Schedule } from '#proto/reward/v1/group_pb.ts';
import { shownTexts, type ScriptedJudgeOptions } from '../../../tests/fakes/scripted-judge.ts';
import { allPairs, fleet, graded, listwise, sample, values } from './group-under-test.ts';

describe('a group compared pair by pair', () => {
  test('has scores in the order of quality, from both orders of all pairs', async () => {
    const { ask, endpoint } = await fleet();
    const response = await ask({ ...allPairs, samples: graded(0.1, 0.9, 0.5, 0.7) });
    const [a = 0, b = 0, c = 0, d = 0] = values(response);
    expect(b).toBeGreaterThan(d);
    expect(d).toBeGreaterThan(c);
    expect(c).toBeGreaterThan(a);
    expect(a + b + c + d).toBeCloseTo(2, 9);
    expect(response).toMatchObject({ planned: 6, judged: 6, judgements: 12, positionBias: 0, inconsistency: 0 });
    expect(endpoint.requests).toHaveLength(12);
    expect(response.comparisons.every(({ replyId }) => endpoint.replies.has(replyId))).toBe(true);
  });

  test('win rates are wins over comparisons, with ties counted half', async () => {
    const { ask } = await fleet();
    const value = { aggregation: Aggregation.WIN_RATE };
    const response = await ask({ method: { case: 'pairwise', value }, samples: graded(0, 1, 1.5, 1.5) });
    expect(values(response)).toEqual([0, 1 / 3, 2.5 / 3, 2.5 / 3]);
    expect(response.scores[2]).toMatchObject({ comparisons: 3, points: 2.5 });
    expect(response.scores[2]?.strength).toBeUndefined();
  });

  test('identical answers tie and no answer loses, and the judge is not asked', async () => {
    const { ask, endpoint } = await fleet();
    const samples = [
      sample('a', 'quality=1'),
      sample('b', ' quality=1\n'),
      sample('c', undefined),
      sample('d', undefined),
    ];
    const value = { aggregation: Aggregation.WIN_RATE };
    const response = await ask({ method: { case: 'pairwise', value }, samples });
    expect(endpoint.requests).toHaveLength(0);
    expect(response).toMatchObject({ planned: 6, judged: 0, byRule: 6, missing: 0 });
    expect(values(response)).toEqual([2.5 / 3, 2.5 / 3, 0.5 / 3, 0.5 / 3]);
  });

  test('copies of an answer cost no further calls', async () => {
    const { ask, endpoint } = await fleet();
    const response = await ask({ ...allPairs, samples: graded(1, 0, 0, 0) });
    expect(endpoint.requests).toHaveLength(2);
    expect(response).toMatchObject({ judged: 3, byRule: 3, judgements: 6, cached: 4 });
  });

  test('a judge that always prefers what it reads first is found out, and decides nothing', async () => {
    const { ask } = await fleet({ script: () => '{"verdict": "A"}' });
    const response = await ask({ ...allPairs, samples: graded(1, 2, 3) });
    expect(response).toMatchObject({ positionBias: 1, inconsistency: 1 });
    for (const value of values(response)) expect(value).toBeCloseTo(0.5, 9);
  });

  test('one order costs half, and shows each first by chance', async () => {
    const { ask, endpoint } = await fleet();
    const value = { oneOrder: true };
    const response = await ask({ method: { case: 'pairwise', value }, samples: graded(1, 2, 3, 4, 5, 6), seed: 1n });
    expect(endpoint.requests).toHaveLength(15);
    expect(new Set(response.comparisons.map(({ first, second }) => first < second)).size).toBe(2);
  });

  test('the seed decides the comparisons', async () => {
    const { ask } = await fleet();
    const value = { schedule: Schedule.BUDGET, pairs: 5 };
    const pairsOf = async (seed: bigint) =>
      (await ask({ method: { case: 'pairwise', value }, samples: graded(1, 2, 3, 4, 5, 6), seed })).comparisons.map(
        ({ first, second }) => [first, second],
      );
    expect(await pairsOf(1n)).toEqual(await pairsOf(1n));
    expect(await pairsOf(1n)).not.toEqual(await pairsOf(2n));
  });

  test.each([
    ['circular', { schedule: Schedule.CIRCULAR }, 8],
    ['Swiss', { schedule: Schedule.SWISS }, 12],
    ['a budget', { schedule: Schedule.BUDGET, pairs: 10 }, 10],
  ])('%s asks for fewer pairs', async (_, value, pairs) => {
    const { ask } = await fleet();
    const response = await ask({ method: { case: 'pairwise', value }, samples: graded(1, 2, 3, 4, 5, 6, 7, 8) });
    expect(response).toMatchObject({ planned: pairs, judged: pairs, judgements: 2 * pairs });
    expect(values(response).every((score) => score !== undefined)).toBe(true);
  });

  test('the transcript can be what is compared', async () => {
    const { ask, endpoint } = await fleet();
    const turns = (text: string) => [{ text: `thinking ${text}` }, { text: 'more' }];
    const samples = [
      { id: 'a', turns: turns('quality=1') },
      { id: 'b', turns: turns('quality=2') },
    ];
    const response = await ask({ ...allPairs, compared: Compared.TRANSCRIPT, samples });
    const [{ request } = { request: undefined }] = endpoint.requests;
    expect(request === undefined ? [] : shownTexts(request).map(({ text }) => text)).toContain(
      'thinking quality=1\n-----\nmore',
    );
    expect(values(response)[1]).toBeGreaterThan(0.5);
  });
});

describe('when judgements are missing', () => {
  /** Fails whatever shows the sample of quality 3. */
  const failing: ScriptedJudgeOptions = {
    script: ({ messages }) =>
      messages[1]?.content.includes('quality=3') === true ? 'server_error' : '{"verdict": "A"}',
  };
  const settings = { attempts: 1, circuitMinCalls: 50, circuitFailureRatio: 1 };

  test('P2: every score of the group is absent with a reason, unless asked otherwise', async () => {
    const { ask, service } = await fleet(failing, settings);
    const response = await ask({ ...allPairs, samples: graded(1, 2, 3) });
    expect(values(response)).toEqual([undefined, undefined, undefined]);
    expect(response.scores.map(({ absent }) => absent)).toEqual(['unavailable', 'unavailable', 'unavailable']);
    expect(response).toMatchObject({ judged: 1, missing: 2, absences: { unavailable: 4 } });
    expect(await service.metrics.render()).toContain('gradus_group_scores_total{outcome="absent"} 3');
  });

  test('P2: the partial policy scores those who were compared; who was not is absent, not 0', async () => {
    const { ask } = await fleet(failing, settings);
    const response = await ask({ ...allPairs, partial: PartialPolicy.AGGREGATE, samples: graded(1, 2, 3) });
    expect(values(response).slice(0, 2)).toEqual([expect.closeTo(0.5, 9), expect.closeTo(0.5, 9)]);
    expect(response.scores[2]).toMatchObject({ absent: 'unavailable', comparisons: 0 });
    expect(response.scores[2]?.score).toBeUndefined();
  });

  test('a pair of which one order failed is missing: half of it would be biased', async () => {
    const { ask } = await fleet(
      { script: (request) => (shownTexts(request)[1]?.text === 'quality=1' ? '{"verdict": "A"}' : 'server_error') },
      settings,
    );
    const response = await ask({ ...allPairs, partial: PartialPolicy.AGGREGATE, samples: graded(1, 2) });
    expect(response).toMatchObject({ judged: 0, missing: 1, judgements: 1 });
    expect(values(response)).toEqual([undefined, undefined]);
  });

  test('P3: at its deadline a group ends with what is there', async () => {
    const { ask, endpoint } = await fleet({
      script: ({ messages }) => (messages[1]?.content.includes('quality=3') === true ? 'hang' : '{"verdict": "A"}'),
    });
    const response = await ask({
      ...allPairs,
      partial: PartialPolicy.AGGREGATE,
      // Long enough for the two calls that are answered, on a busy machine as well.
      deadlineMs: 2_000,
      samples: graded(1, 2, 3),
    });
    expect(response).toMatchObject({ judged: 1, missing: 2, absences: { deadline: 4 } });
    expect(response.scores[2]?.absent).toBe('deadline');
    await expect.poll(() => endpoint.running).toBe(0);
  });

  test('a sample that the schedule leaves out is absent and says so', async () => {
    const { ask } = await fleet();
    const value = { schedule: Schedule.BUDGET, pairs: 1 };
    const response = await ask({ method: { case: 'pairwise', value }, samples: graded(1, 2, 3) });
    expect(response.scores.filter(({ absent }) => absent === 'not_compared')).toHaveLength(1);
  });
});

describe('point-wise first', () => {
  test('a better point-wise score is above without asking; only ties are compared', async () => {
    const { ask, endpoint } = await fleet();
    const samples = [
      sample('low', 'quality=9', 0),
      sample('tied worse', 'quality=1', 1),
      sample('tied better', 'quality=2', 1),
      sample('top', 'quality=0', 2),
    ];
    const value = { aggregation: Aggregation.WIN_RATE };
    const response = await ask({ method: { case: 'pairwise', value }, samples, pointwiseFirst: {} });
    expect(endpoint.requests).toHaveLength(2);
    expect(values(response)).toEqual([0, 1 / 3, 2 / 3, 1]);
  });

  test('with top only, ties below the top stay ties', async () => {
    const { ask, endpoint } = await fleet();
    const samples = [
      sample('a', 'quality=1', 0),
      sample('b', 'quality=2', 0),
      sample('c', 'quality=3', 1),
      sample('d', 'quality=4', 0.95),
    ];
    const value = { aggregation: Aggregation.WIN_RATE };
    const response = await ask({
      method: { case: 'pairwise', value },
      samples,
      pointwiseFirst: { topOnly: true, tolerance: 0.1 },
    });
    expect(endpoint.requests).toHaveLength(2);
    expect(values(response)).toEqual([0.5 / 3, 0.5 / 3, 2 / 3, 1]);
  });

  test('whatever the judge says, a better point-wise score is never below', async () => {
    const { ask } = await fleet({ noise: 1, positionBias: 0.5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 8 }),
        fc.constantFrom(allPairs, listwise),
        async (points, method) => {
          const samples = points.map((value, index) => sample(`s${index}`, `quality=${index}`, value));
          const scores = values(await ask({ ...method, samples, pointwiseFirst: {} }));
          points.forEach((own, a) =>
            points.forEach((other, b) => {
              if (own > other) expect(scores[a] ?? -1).toBeGreaterThanOrEqual(scores[b] ?? 2);
            }),
          );
          for (const score of scores) expect(score).toBeGreaterThanOrEqual(0);
          for (const score of scores) expect(score).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 25 },
    );
  });
});
