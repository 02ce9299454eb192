/** The whole retrieval service with a gRPC client, for one test. */
import { onTestFinished } from 'vitest';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';
import { hubSettingsFrom } from '../../services/retrieval/models/hub-settings.ts';
import { startRetrieval } from '../../services/retrieval/service.ts';
import { silentLog } from '../platform/fixtures.ts';

export interface RunningRetrieval {
  readonly client: GrpcClient<typeof RetrievalService>;
  readonly address: string;
  /** The value of a metric, with its labels as they are printed; 0 where there is none. */
  metric(name: string): Promise<number>;
}

export async function startRetrievalService(...flags: readonly string[]): Promise<RunningRetrieval> {
  const lifecycle = createLifecycle(silentLog);
  const metrics = createMetrics();
  onTestFinished(async () => {
    lifecycle.stop('the test is over');
    await lifecycle.drain(10_000);
  });
  const { grpc } = await startRetrieval(
    loadConfig(retrievalConfig, { argv: flags }),
    {
      name: 'retrieval',
      log: silentLog,
      metrics,
      signal: lifecycle.signal,
      defer: (what, dispose) => lifecycle.defer(what, dispose),
      fail: (error) => lifecycle.fail(error),
    },
    hubSettingsFrom({ HF_HUB_OFFLINE: '1' }),
  );
  lifecycle.serving();
  const client = createGrpcClient(RetrievalService, grpc, { timeoutMs: 60_000 });
  onTestFinished(() => client.close());
  return {
    client,
    address: grpc,
    async metric(name) {
      const line = (await metrics.render()).split('\n').find((text) => text.startsWith(`${name} `));
      return Number(line?.slice(name.length + 1) ?? 0);
    },
  };
}
