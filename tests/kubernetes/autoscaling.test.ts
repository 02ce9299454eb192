import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { streams, workerConsumers } from '#platform/nats/streams.ts';
import { decideReplicas } from './autoscaler.ts';
import {
  environmentOf,
  firstContainer,
  kubectlPresent,
  named,
  renderWith,
  withKubectl,
  workloads,
} from './rendered.ts';
import { scaleAndBack } from './scale-and-back.ts';

describe('workers by what is queued', () => {
  test('P1: from none to eight and back to none, each rollout has one result', { timeout: 600_000 }, async () => {
    const report = await scaleAndBack({
      rollouts: 96,
      concurrency: 8,
      maxReplicas: 8,
      turnMs: 500,
      intervalMs: 200,
      cooldownMs: 1_000,
    });
    expect(Math.max(...report.changes.map(({ replicas }) => replicas))).toBe(8);
    expect(report.changes.at(0)?.replicas).toBe(1);
    expect(report.changes.at(-1)?.replicas).toBe(0);
    expect(report.results.map(({ taskId }) => taskId).sort()).toEqual([...report.taskIds].sort());
    for (const { failure, prediction } of report.results)
      expect({ failure, prediction }).toEqual({ failure: FailureClass.UNSPECIFIED, prediction: 'Verland Coast' });
    expect(report).toMatchObject({ tasksLeft: 0, deadLetters: 0 });
  });

  test('the formula: one at first, then what waits and is held over the target, within the bounds', () => {
    const triggers = [10, 10].map((lagThreshold, index) => ({
      account: '',
      stream: '',
      consumer: `${index}`,
      lagThreshold,
    }));
    const decide = (current: number, ...lags: readonly number[]): number => decideReplicas(current, lags, triggers, 8);
    expect(decide(0, 0, 0)).toBe(0);
    expect(decide(0, 500, 0)).toBe(1);
    expect(decide(1, 500, 0)).toBe(8);
    expect(decide(1, 41, 12)).toBe(5);
    // As many as there are is near enough.
    expect(decide(4, 43, 0)).toBe(4);
    // The last one goes by KEDA's cooldown, not by the autoscaler.
    expect(decide(3, 0, 0)).toBe(1);
  });

  test.skipIf(!kubectlPresent)(
    withKubectl('the ScaledObject names the consumers that workers have, and their concurrency'),
    async () => {
      const objects = await renderWith('autoscaling-workers');
      const { spec } = z
        .looseObject({
          spec: z.looseObject({
            scaleTargetRef: z.object({ name: z.string() }),
            triggers: z.array(z.object({ type: z.string(), metadata: z.record(z.string(), z.string()) })),
          }),
        })
        .parse(named(objects, 'ScaledObject', 'gradus-rollout'));
      const worker = workloads(objects).find(({ metadata }) => metadata.name === spec.scaleTargetRef.name);
      if (worker === undefined) throw new Error(`there is no workload ${spec.scaleTargetRef.name}`);
      expect(worker.spec.replicas).toBeUndefined();
      const concurrency = environmentOf(firstContainer(worker), objects)['GRADUS_CONCURRENCY'];
      expect(new Set(spec.triggers.map(({ metadata }) => metadata['consumer']))).toEqual(
        new Set(Object.values(workerConsumers)),
      );
      for (const { type, metadata } of spec.triggers) {
        expect(type).toBe('nats-jetstream');
        expect(metadata).toMatchObject({ account: '$G', stream: streams.tasks, lagThreshold: concurrency });
        const [host = '', port] = (metadata['natsServerMonitoringEndpoint'] ?? '').split(':');
        const service = z
          .looseObject({
            spec: z.looseObject({ clusterIP: z.string(), ports: z.array(z.looseObject({ port: z.int() })) }),
          })
          .parse(named(objects, 'Service', host.split('.')[0] ?? ''));
        // KEDA asks the leader of the consumer by the name of its server, which only a headless Service resolves.
        expect(service.spec.clusterIP).toBe('None');
        expect(service.spec.ports.map((one) => String(one.port))).toContain(port);
      }
    },
  );
});
