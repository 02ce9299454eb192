import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle, type Lifecycle } from '#platform/runtime/lifecycle.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics, type Metrics } from '#platform/telemetry/metrics.ts';
import { rewardConfig } from './config.ts';
import { startReward } from './service.ts';
import { goldRow } from '../../tests/fixtures/gold-item.ts';

const log = createLogger({ service: 'reward', level: 'silent' });

function contextOf(lifecycle: Lifecycle, metrics: Metrics): ServiceContext {
  return {
    name: 'reward',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  };
}

const right = { text: '<answer>Paris</answer>', action: { case: 'answer', value: { text: 'Paris' } } } as const;
const item = { id: 'task-1', row: goldRow({ answers: ['Paris'] }), turns: [right], scorers: [{ name: 'exact_match' }] };

/** Recorded, whatever it weighs: a wrong gold answer would be a free point in the metrics. */
const recorded = { name: 'exact_match', recordedOnly: true };

describe('the reward service over gRPC', () => {
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  let reward: GrpcClient<typeof RewardService>;

  beforeAll(async () => {
    const ctx = contextOf(lifecycle, metrics);
    const { grpc } = await startReward(loadConfig(rewardConfig, {}), ctx);
    reward = createGrpcClient(RewardService, grpc, { timeoutMs: 60_000 });
    lifecycle.serving();
  });

  afterAll(async () => {
    reward.close();
    lifecycle.stop('the test is over');
    await lifecycle.drain(5_000);
  });

  test('every component that was asked for is there and no other, and items stay in order', async () => {
    const scorers = [{ name: 'exact_match' }, { name: 'substring' }];
    const { scores } = await reward.score({
      items: [
        { ...item, scorers },
        { ...item, id: 'task-2', turns: [], scorers: [{ name: 'f1' }] },
      ],
    });
    expect(scores).toMatchObject([
      {
        id: 'task-1',
        components: { exact_match: 1, substring: 1 },
      },
      { id: 'task-2', components: { f1: 0 } },
    ]);
    expect(scores.map(({ components }) => Object.keys(components))).toEqual([['exact_match', 'substring'], ['f1']]);
  });

  test('describe names the scorers', async () => {
    expect((await reward.describe({})).scorers).toEqual(scorerNames);
  });

  test.each([
    [
      'an unknown scorer',
      { scorers: [{ name: 'exact' }] },
      /scorers\[0\]\.name: unknown scorer "exact"; known: exact_match, f1/,
    ],
    [
      'a scorer named twice',
      { scorers: [item.scorers[0], item.scorers[0]] },
      /scorers\[1\]\.name: exact_match is listed twice/,
    ],
    [
      'an unknown setting',
      { scorers: [{ name: 'numeric', settingsJson: '{"relative_tolerence": 0.1}' }] },
      /scorers\[0\]\.settings_json: .*"relative_tolerence"; did you mean relative_tolerance\?/,
    ],
    [
      'a setting out of bounds',
      { scorers: [{ name: 'numeric', settingsJson: '{"relative_tolerance": 2}' }] },
      /settings of numeric: relative_tolerance: .*<=1/,
    ],
    [
      'settings that are no object',
      { scorers: [{ name: 'numeric', settingsJson: '[1' }] },
      /settings_json of numeric: not JSON/,
    ],
    ['settings for a scorer that has none', { scorers: [{ name: 'f1', settingsJson: '{}' }] }, /f1 has no settings/],
    [
      'gold that is not a number',
      { answers: ['3 or 4'], scorers: [{ name: 'numeric' }] },
      /answers\[0\]: "3 or 4" is not a single number: .*more than one number/,
    ],
    [
      'gold that is not a date',
      { answers: ['05/03/1990'], scorers: [{ name: 'date' }] },
      /answers\[0\]: "05\/03\/1990" is not a single date: day and month can be read either way/,
    ],
    [
      'gold that is not an interval',
      { answers: ['20 - 10'], scorers: [{ name: 'iou' }] },
      /answers\[0\]: "20 - 10" is not an interval; write START - END/,
    ],
    [
      'no pages to compare with',
      { scorers: [{ name: 'gold_found' }] },
      /support_titles: empty, and gold_found compares pages with them/,
    ],
    [
      'tokens that nobody counted',
      { scorers: [{ name: 'length_budget' }] },
      /tokens: missing, and length_budget counts them/,
    ],
    ['no gold answers', { answers: [] }, /answers: empty; give the gold answer/],
    [
      'gold that normalises to nothing',
      { answers: ['Paris', 'The...'] },
      /answers\[1\]: "The\.\.\." normalises to nothing/,
    ],
  ])('P2: %s is an error that names item and field, never a score', async (_, wrong, message) => {
    const failure = reward.score({ items: [item, { ...item, id: 'bad', scorers: [recorded], ...cleaned(wrong) }] });
    await expect(failure).rejects.toMatchObject({ name: 'TerminalError', code: 'invalid_argument' });
    await expect(failure).rejects.toThrow(/items\[1\] \(id "bad"\)/);
    await expect(failure).rejects.toThrow(message);
  });

  test('an option is scored by its letter, which is not text, without a free point for exact match', async () => {
    const scored = async (text: string) => {
      const { scores } = await reward.score({
        items: [
          {
            ...item,
            row: goldRow({ answers: ['A'] }),
            scorers: [{ name: 'choice' }, recorded],
            turns: [{ text, action: { case: 'answer', value: { text } } }],
          },
        ],
      });
      return scores[0]?.components;
    };
    expect(await scored('(A)')).toMatchObject({ choice: 1, exact_match: 0 });
    expect(await scored('the')).toMatchObject({ choice: 0, exact_match: 0 });
  });

  test('refuses an empty request and one with more than 1024 items', async () => {
    await expect(reward.score({ items: [] })).rejects.toThrow(/items: found 0; give 1 to 1024/);
    await expect(reward.score({ items: Array.from({ length: 1025 }, () => item) })).rejects.toThrow(
      /items: found 1025/,
    );
  });

  test('a megabyte of answer scores like any other', async () => {
    const text = 'Paris '.repeat(170_000);
    const { scores } = await reward.score({
      items: [
        {
          ...item,
          scorers: [recorded, { name: 'f1' }],
          turns: [{ text, action: { case: 'answer', value: { text } } }],
        },
      ],
    });
    expect(scores[0]?.components['exact_match']).toBe(0);
    expect(scores[0]?.components['f1']).toBeLessThan(0.001);
  });

  test('what happens is counted', async () => {
    const text = await metrics.render();
    expect(text).toMatch(/^gradus_reward_items_total 5$/m);
    expect(text).toMatch(/^gradus_reward_component_ratio_count\{scorer="choice"\} 2$/m);
  });
});

/** Drops keys that a row of the table does not set. */
function cleaned(wrong: { answers?: string[]; scorers?: ({ name: string; settingsJson?: string } | undefined)[] }) {
  return {
    ...(wrong.answers === undefined ? {} : { row: goldRow({ answers: wrong.answers }) }),
    ...(wrong.scorers === undefined ? {} : { scorers: wrong.scorers.filter((one) => one !== undefined) }),
  };
}
