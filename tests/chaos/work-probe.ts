import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { FleetFile } from '../../services/fleet/fleet-file.ts';
import { goldItem } from '../fixtures/gold-item.ts';

type FleetService = FleetFile['services'][number];

/** What is asked of a service to see that it works, not only that it lives. */
export interface WorkProbe extends Disposable {
  /** Rejects while the service does not work. */
  ask(): Promise<unknown>;
}

const askMs = 1_000;

/** Probes of services with calls; undefined for those whose work is seen on the streams. */
export function createWorkProbe({ service, grpc }: FleetService): WorkProbe | undefined {
  if (grpc === undefined) return undefined;
  const options = { timeoutMs: askMs };
  const probe = (client: { close(): void }, ask: () => Promise<unknown>): WorkProbe => ({
    ask,
    [Symbol.dispose]: () => client.close(),
  });
  switch (service.replace(/^scripted-/, '')) {
    case 'engine': {
      const client = createGrpcClient(EngineService, grpc, options);
      return probe(client, () => client.describe({}));
    }
    case 'policy': {
      const client = createGrpcClient(PolicyService, grpc, options);
      // A gateway without a healthy engine refuses to describe itself.
      return probe(client, () => client.describe({}).then(() => client.tokenize({ text: 'work' })));
    }
    case 'retrieval': {
      const client = createGrpcClient(RetrievalService, grpc, options);
      return probe(client, () => client.search({ queries: ['town'], topK: 1 }));
    }
    case 'reward': {
      const client = createGrpcClient(RewardService, grpc, options);
      const item = goldItem({ id: 'probe', answers: ['work'], turns: [turn], scorers: [{ name: 'exact_match' }] });
      return probe(client, () => client.score({ items: [item] }));
    }
    case 'learner': {
      const client = createGrpcClient(LearnerService, grpc, options);
      return probe(client, () => client.describe({}));
    }
    default:
      return undefined;
  }
}

const turn = {
  text: '<answer>work</answer>',
  action: { case: 'answer' as const, value: { text: 'work' } },
};

/** Asks until it works; gives the time it did in Unix milliseconds, undefined when it never did within `timeoutMs`. */
export async function firstWork(
  ask: () => Promise<unknown>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const untilMs = Date.now() + timeoutMs;
  while (Date.now() < untilMs && !signal.aborted) {
    try {
      await ask();
      return Date.now();
    } catch (thrown) {
      // A service that works would refuse it as well.
      if (errorFrom(thrown).code === 'invalid_argument') throw thrown;
      // Not yet: that is what is measured.
      await sleep(20, signal).catch(() => undefined);
    }
  }
  return undefined;
}
