import { describe, expect, it, onTestFinished } from 'vitest';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { rewardConfig } from '../../services/reward/config.ts';
import { startReward } from '../../services/reward/service.ts';
import { startInProcess, useRolloutFleet } from './fleet.ts';
import { slowChain, taskOf } from './task.ts';

const start = useRolloutFleet();
const judged = { composition: { weights: [{ name: 'judged', weight: 1.5 }] } };

describe('a reward that the platform keeps from a rollout', () => {
  it('P2: an outage of the reward service is an absence, never a 0; the task comes back with the same id', async () => {
    const running = await start({ script: slowChain(0), worker: { maxDeliveries: 2, retries: 0 } });
    await running.reward.stop();
    await running.publish(taskOf('unscored'));
    const result = await running.resultOf('unscored');
    expect(result).toMatchObject({
      failure: FailureClass.REWARD_UNAVAILABLE,
      trajectorySequence: 0n,
      components: {},
      attempt: 0,
    });
    expect(result.reward).toBeUndefined();
    expect(
      running.engine.generated.filter(({ sessionId, turn }) => sessionId === 'unscored' && turn === 0),
    ).toHaveLength(2);
  });

  it('P2: a reward whose judge is unavailable is an absence once the budget is spent, and a reward once the judge is back', async () => {
    const running = await start({ script: slowChain(0), worker: { maxDeliveries: 2, retries: 1 } });
    const { address } = running.reward;
    await running.reward.stop();
    let asked = 0;
    const server = createGrpcServer({
      log: createLogger({ service: 'test', level: 'silent' }),
      metrics: createMetrics(),
    });
    server.add(RewardService, {
      // What Score answers while a judge that has weight is unavailable, and when what it says cannot be read.
      score: async ({ items }) => {
        asked += items.length;
        return {
          scores: items.map(({ id }) =>
            id === 'unjudged' || asked === 1
              ? {
                  id,
                  components: { format: 1 },
                  absent: { judged: asked === 1 ? 'circuit_open' : 'unparsable' },
                }
              : { id, components: { format: 1, judged: 1 } },
          ),
        };
      },
      scoreGroup: async () => ({}),
      explain: async () => ({}),
      describe: async () => ({}),
    });
    await server.listen(address);
    onTestFinished(() => server.drain(0));
    await running.publish(taskOf('judged later', judged));
    expect(await running.resultOf('judged later')).toMatchObject({ failure: FailureClass.UNSPECIFIED, reward: 1.5 });
    await running.publish(taskOf('unjudged', judged));
    const result = await running.resultOf('unjudged');
    expect(result).toMatchObject({ failure: FailureClass.REWARD_UNAVAILABLE, trajectorySequence: 0n, components: {} });
    expect(result.reward).toBeUndefined();
    expect(result.failureDetail).toContain('no reward without judged (unparsable)');
    // Two calls for the first one; two deliveries of the other with one retry each.
    expect(asked).toBe(2 + 4);
  });

  it('P2: an evaluated rollout is kept without what its judge did not give, and can be judged later', async () => {
    const running = await start({ script: slowChain(0) });
    const { address } = running.reward;
    await running.reward.stop();
    const server = createGrpcServer({
      log: createLogger({ service: 'test', level: 'silent' }),
      metrics: createMetrics(),
    });
    server.add(RewardService, {
      score: async ({ items }) => ({
        scores: items.map(({ id }) => ({
          id,
          components: { format: 1 },
          absent: { judged: id === 'unread' ? 'unparsable' : 'circuit_open' },
          absentDetails: { judged: 'the judge is out' },
          judgements: { other: { grade: 'correct' } },
        })),
      }),
      scoreGroup: async () => ({}),
      explain: async () => ({}),
      describe: async () => ({}),
    });
    await server.listen(address);
    onTestFinished(() => server.drain(0));
    const evaluated = {
      ...judged,
      purpose: Purpose.EVAL,
      limits: {
        contextTokens: 512,
        maxTurns: 6,
        toolTimeoutMs: 5_000,
        turnTimeoutMs: 10_000,
        rolloutTimeoutMs: 30_000,
      },
    };
    for (const [id, reason] of [
      ['unread', 'unparsable'],
      ['unjudged', 'circuit_open'],
    ] as const) {
      await running.publish(taskOf(id, evaluated));
      const result = await running.resultOf(id);
      expect(result).toMatchObject({
        failure: FailureClass.UNSPECIFIED,
        components: { format: 1 },
        absentComponents: { judged: { reason, detail: 'the judge is out' } },
        grades: { other: 'correct' },
        prediction: 'Verland Coast',
      });
      expect(result.trajectorySequence).toBeGreaterThan(0n);
    }
    // Played once each.
    expect(running.engine.generated).toHaveLength(6);
  });

  it('P2: a reward service that comes back in time is waited for', async () => {
    const running = await start({ script: slowChain(0), worker: { retries: 10, retryDelayMs: 100 } });
    const { address } = running.reward;
    await running.reward.stop();
    await running.publish(taskOf('patient'));
    await expect.poll(() => running.engine.generated.length).toBe(3);
    const again = await startInProcess(startReward, rewardConfig, { grpc: address });
    expect(await running.resultOf('patient')).toMatchObject({ failure: FailureClass.UNSPECIFIED, reward: 1.5 });
    expect(running.engine.generated).toHaveLength(3);
    await again.stop();
  });

  it('P2: an outage of retrieval is an absence with its own class', async () => {
    const running = await start({ script: slowChain(0), worker: { maxDeliveries: 2, retries: 0 } });
    await running.retrieval.stop();
    await running.publish(taskOf('blind'));
    const result = await running.resultOf('blind');
    expect(result).toMatchObject({ failure: FailureClass.TOOL_UNAVAILABLE, trajectorySequence: 0n });
    expect(result.reward).toBeUndefined();
  });

  it('P2: a trajectory over max_payload is an infrastructure failure with the reason, at once and once', async () => {
    // Random enough not to be compressed below the limit.
    const noise = Array.from({ length: 60 }, (_, i) =>
      Math.sin(i + 1)
        .toString(36)
        .slice(2),
    ).join(' ');
    const running = await start({ script: () => noise, maxPayloadBytes: 2_000 });
    await running.publish(taskOf('large', { sampling: { temperature: 1, maxNewTokens: 400, seed: 1n } }));
    const result = await running.resultOf('large');
    expect(result).toMatchObject({ failure: FailureClass.INTERNAL, trajectorySequence: 0n });
    expect(result.failureDetail).toMatch(/a trajectory .* more than the NATS server takes \(max_payload 2000\)/);
    expect(result.reward).toBeUndefined();
    await expect.poll(() => running.tasksLeft()).toBe(0);
    expect(running.results).toHaveLength(1);
  });
});
