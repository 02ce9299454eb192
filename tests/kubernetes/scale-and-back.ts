/** Rollouts arrive where no worker is: workers come as KEDA would have them, play all, and go. For a test, and for bench/autoscaling.ts. */
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { workerConsumers, streams } from '#platform/nats/streams.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { startRolloutFleet } from '../rollout/fleet.ts';
import { slowChain, taskOf } from '../rollout/task.ts';
import { until } from '../until.ts';
import { autoscale, type Trigger } from './autoscaler.ts';

export interface ScaleOptions {
  readonly rollouts: number;
  /** Rollouts of one worker at once, and the target of the autoscaler. */
  readonly concurrency: number;
  readonly maxReplicas: number;
  readonly turnMs: number;
  readonly intervalMs: number;
  readonly cooldownMs: number;
}

export interface ScaleReport {
  readonly results: readonly RolloutResult[];
  readonly taskIds: readonly string[];
  readonly tasksLeft: number;
  readonly deadLetters: number;
  /** Number of workers after each change, with milliseconds since the tasks were published. */
  readonly changes: readonly { readonly replicas: number; readonly atMs: number }[];
  readonly lastResultMs: number;
}

export async function scaleAndBack(options: ScaleOptions): Promise<ScaleReport> {
  const port = await lastingPort();
  await using fleet = await startRolloutFleet({
    script: slowChain(options.turnMs),
    workers: 0,
    natsLines: [`http: "127.0.0.1:${port}"`],
  });
  const triggers = Object.values(workerConsumers).map((consumer): Trigger => ({
    account: '$G',
    stream: streams.tasks,
    consumer,
    lagThreshold: options.concurrency,
  }));
  const stop = new AbortController();
  const changes: { replicas: number; atMs: number }[] = [];
  let started = 0;
  let publishedAt = performance.now();
  const since = (): number => Math.round(performance.now() - publishedAt);
  const scaling = autoscale({
    endpoint: `127.0.0.1:${port}`,
    triggers,
    max: options.maxReplicas,
    intervalMs: options.intervalMs,
    cooldownMs: options.cooldownMs,
    signal: stop.signal,
    start: () => {
      started += 1;
      return fleet.addWorker({ workerId: `worker-${started}`, concurrency: options.concurrency });
    },
    onChange: (replicas) => changes.push({ replicas, atMs: since() }),
  });
  try {
    const taskIds = Array.from({ length: options.rollouts }, (_, index) => `task-${index}`);
    publishedAt = performance.now();
    await Promise.all(taskIds.map((id) => fleet.publish(taskOf(id))));
    const answered = (): number => new Set(fleet.results.map(({ taskId }) => taskId)).size;
    await until(() => answered() === taskIds.length, 'each task has a result', 280_000);
    const lastResultMs = since();
    await until(() => changes.at(-1)?.replicas === 0, 'no worker is left', 100_000);
    stop.abort();
    await scaling;
    return {
      results: [...fleet.results],
      taskIds,
      tasksLeft: await fleet.tasksLeft(),
      deadLetters: (await fleet.deadLetters()).length,
      changes,
      lastResultMs,
    };
  } finally {
    stop.abort();
    await scaling.catch(() => undefined);
  }
}
