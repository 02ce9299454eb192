import { expect, test } from 'vitest';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { createQueueSeries } from '../../services/coordinator/series/queue-series.ts';
import { publishTask, startNats } from '../platform/fixtures.ts';

test('JetStream lag: streams and the task queue have the numbers of the server, and none while it does not answer', async () => {
  const server = await startNats();
  await publishTask(server.nats, 'one');
  await publishTask(server.nats, 'two');
  await publishTask(server.nats, 'three', 'eval');
  const metrics = createMetrics();
  const series = createQueueSeries(metrics, server.nats);
  await series.look();
  const lines = (await metrics.render()).split('\n');
  expect(lines).toContain('gradus_stream_messages{stream="TASKS"} 3');
  expect(lines).toContain('gradus_stream_messages{stream="DEAD_LETTERS"} 0');
  expect(lines).toContain('gradus_queue_tasks{purpose="train",state="waiting"} 2');
  expect(lines).toContain('gradus_queue_tasks{purpose="eval",state="waiting"} 1');
  expect(lines).toContain('gradus_queue_tasks{purpose="eval",state="held"} 0');
  const ofTasks = (name: string) => lines.find((line) => line.startsWith(`${name}{stream="TASKS"}`))?.split(' ')[1];
  expect(Number(ofTasks('gradus_stream_bytes'))).toBeGreaterThan(0);
  expect(Number(ofTasks('gradus_stream_limit_bytes'))).toBeGreaterThan(Number(ofTasks('gradus_stream_bytes')));
  await server.kill();
  await expect(series.look()).rejects.toThrow();
  expect(await metrics.render()).not.toMatch(/^gradus_(stream|queue)_\w+\{/m);
});
