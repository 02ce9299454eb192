import { expect, onTestFinished, test } from 'vitest';
import { requireLearner } from '#fleet/require-learner.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { silentLog as log, unwanted } from './fixtures.ts';

const { signal } = new AbortController();

async function listen(isLearner: boolean): Promise<string> {
  const server = createGrpcServer({ log, metrics: createMetrics() });
  if (isLearner)
    server.add(LearnerService, {
      trainStep: async () => unwanted(),
      openRun: async () => unwanted(),
      describe: async () => ({ step: 1n }),
    });
  onTestFinished(async () => await server.drain(0));
  return await server.listen('127.0.0.1:0');
}

test('a fleet goes on once the learner answers, whatever run it has', async () => {
  await requireLearner(await listen(true), 60_000, signal);
});

test('another service at the address of the learner is refused at once, with the field', async () => {
  const address = await listen(false);
  await expect(requireLearner(address, 60_000, signal)).rejects.toMatchObject({
    name: 'TerminalError',
    message: expect.stringContaining(`fleet.learner.address is ${address}, and what answers there is no learner`),
  });
});
