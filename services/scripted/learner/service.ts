import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { ScriptedLearnerConfig } from './config.ts';
import { createScriptedLearnerEvents } from './events.ts';
import { openRun } from './handlers/open-run.ts';
import { trainStep } from './handlers/train-step.ts';
import { type RunHolder, createRunHolder } from './run/open-run.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/learner/v1/learner_pb.ts';

export async function startScriptedLearner(
  config: ScriptedLearnerConfig,
  ctx: ServiceContext,
): Promise<Readonly<Record<string, string>>> {
  const events = createScriptedLearnerEvents(ctx.log, ctx.metrics);
  const holder = createRunHolder();
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  server.add(LearnerService, {
    openRun: (request) => openRun(holder, events, config.roots, request),
    trainStep: (requests, call) => trainStep({ holder, events, stepMs: config.stepMs }, requests, call.signal),
    describe: async () => describe(holder),
  });
  const grpc = await server.listen(config.grpc);
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  return { grpc };
}

function describe({ run }: RunHolder): MessageInitShape<typeof DescribeResponseSchema> {
  return { runId: run?.runId ?? '', step: BigInt(run?.step ?? 0), parameters: 0n, device: 'scripted' };
}
