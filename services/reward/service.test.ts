import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient, type GrpcClient } from '#shared/grpc/client.ts';
import { scorerNames } from '#shared/rewards/scorer-catalogue.ts';
import { loadConfig } from '#shared/runtime/config.ts';
import { createLifecycle, type Lifecycle } from '#shared/runtime/lifecycle.ts';
import type { ServiceContext } from '#shared/runtime/run-service.ts';
import { createLogger } from '#shared/telemetry/logging.ts';
import { createMetrics, type Metrics } from '#shared/telemetry/metrics.ts';
import { rewardConfig } from './config.ts';
import { startReward } from './service.ts';

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
const item = { id: 'task-1', answers: ['Paris'], turns: [right], rewards: [{ name: 'exact_match', weight: 1 }] };

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

  test('the total is the weighted sum, every component is beside it, and items stay in order', async () => {
    const rewards = [
      { name: 'exact_match', weight: 1.5 },
      { name: 'tool_success', weight: 0.5 },
      { name: 'xml', weight: 0.25 },
    ];
    const { scores } = await reward.score({
      items: [
        { ...item, rewards },
        { ...item, id: 'task-2', turns: [], rewards: [] },
      ],
    });
    expect(scores).toMatchObject([
      { id: 'task-1', total: 1.75, components: { exact_match: 1, f1: 1, tool_success: 0, format: 1, xml: 1 } },
      { id: 'task-2', total: 0, components: { exact_match: 0, f1: 0, tool_success: 0, format: 0, xml: 0 } },
    ]);
  });

  test('describe names the scorers', async () => {
    expect((await reward.describe({})).scorers).toEqual(scorerNames);
  });

  test.each([
    [
      'an unknown scorer',
      { rewards: [{ name: 'em', weight: 1 }] },
      /rewards\[0\]\.name: unknown scorer "em"; known: exact_match, f1/,
    ],
    [
      'a negative weight',
      { rewards: [{ name: 'f1', weight: -0.5 }] },
      /rewards\[0\]\.weight: -0\.5 for f1; expected a finite/,
    ],
    ['a weight that is no number', { rewards: [{ name: 'f1', weight: NaN }] }, /rewards\[0\]\.weight: NaN for f1/],
    ['an endless weight', { rewards: [{ name: 'f1', weight: Infinity }] }, /rewards\[0\]\.weight: Infinity for f1/],
    [
      'a scorer named twice',
      { rewards: [item.rewards[0], item.rewards[0]] },
      /rewards\[1\]\.name: exact_match is listed twice/,
    ],
    [
      'an unknown setting',
      { rewards: [{ name: 'numeric', weight: 1, settingsJson: '{"relative_tolerence": 0.1}' }] },
      /rewards\[0\]\.settings_json: .*"relative_tolerence"; did you mean relative_tolerance\?/,
    ],
    [
      'a setting out of bounds',
      { rewards: [{ name: 'numeric', weight: 1, settingsJson: '{"relative_tolerance": 2}' }] },
      /settings of numeric: relative_tolerance: .*<=1/,
    ],
    [
      'settings that are no object',
      { rewards: [{ name: 'numeric', weight: 1, settingsJson: '[1' }] },
      /settings_json of numeric: not JSON/,
    ],
    [
      'settings for a scorer that has none',
      { rewards: [{ name: 'f1', weight: 1, settingsJson: '{}' }] },
      /f1 has no settings/,
    ],
    [
      'gold that is no number',
      { answers: ['3 or 4'], rewards: [{ name: 'numeric', weight: 1 }] },
      /answers\[0\]: "3 or 4" is no single number: .*more than one number/,
    ],
    [
      'gold that is no date',
      { answers: ['05/03/1990'], rewards: [{ name: 'date', weight: 1 }] },
      /answers\[0\]: "05\/03\/1990" is no single date: day and month can be read either way/,
    ],
    [
      'gold that is no interval',
      { answers: ['20 - 10'], rewards: [{ name: 'iou', weight: 1 }] },
      /answers\[0\]: "20 - 10" is no interval; write START - END/,
    ],
    [
      'no pages to compare with',
      { rewards: [{ name: 'gold_found', weight: 1 }] },
      /support_titles: empty, and gold_found compares pages with them/,
    ],
    [
      'tokens that nobody counted',
      { rewards: [{ name: 'overlong', weight: 1 }] },
      /tokens: missing, and overlong counts them/,
    ],
    ['no gold answers', { answers: [] }, /answers: empty; give the gold answer/],
    [
      'gold that normalises to nothing',
      { answers: ['Paris', 'The...'] },
      /answers\[1\]: "The\.\.\." normalises to nothing/,
    ],
  ])('P2: %s is an error that names item and field, never a score', async (_, wrong, message) => {
    const failure = reward.score({ items: [item, { ...item, id: 'bad', rewards: [], ...cleaned(wrong) }] });
    await expect(failure).rejects.toMatchObject({ name: 'TerminalError', code: 'invalid_argument' });
    await expect(failure).rejects.toThrow(/items\[1\] \(id "bad"\)/);
    await expect(failure).rejects.toThrow(message);
  });

  test('an option is scored by its letter, which is no text, without a free point for exact match', async () => {
    const scored = async (text: string) => {
      const { scores } = await reward.score({
        items: [
          {
            ...item,
            answers: ['A'],
            rewards: [{ name: 'choice', weight: 1 }],
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
      items: [{ ...item, turns: [{ text, action: { case: 'answer', value: { text } } }] }],
    });
    expect(scores[0]?.components['exact_match']).toBe(0);
    expect(scores[0]?.components['f1']).toBeLessThan(0.001);
  });

  test('what happens is counted', async () => {
    const text = await metrics.render();
    expect(text).toMatch(/^gradus_reward_items_total 5$/m);
    expect(text).toMatch(/^gradus_reward_component_ratio_count\{scorer="xml"\} 5$/m);
  });
});

/** Drops keys that a row of the table does not set. */
function cleaned(wrong: {
  answers?: string[];
  rewards?: ({ name: string; weight: number; settingsJson?: string } | undefined)[];
}) {
  return {
    ...(wrong.answers === undefined ? {} : { answers: wrong.answers }),
    ...(wrong.rewards === undefined ? {} : { rewards: wrong.rewards.filter((one) => one !== undefined) }),
  };
}
