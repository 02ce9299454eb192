import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { EngineLoad, EngineLoadSchema } from '#proto/policy/v1/policy_pb.ts';
import type { ReportedLoad, EngineEntry } from './engine-pool.ts';

/** One engine, as the gateway talks to it. */
export function connectEngine(address: string, timeoutMs: number) {
  const client = createGrpcClient(EngineService, address, { timeoutMs });
  return {
    address,
    describe: (options: { timeoutMs: number; signal: AbortSignal }) => client.describe({}, options),
    generate: client.generate,
    loadVersion: client.loadVersion,
    close: () => client.close(),
  };
}

export type EngineConnection = ReturnType<typeof connectEngine>;

export function loadFromProto(load: EngineLoad): ReportedLoad {
  const { running, waiting, capacity, kvUsedRatio, preemptions } = load;
  return { running, waiting, capacity, kvUsedRatio: Math.min(1, Math.max(0, kvUsedRatio)), preemptions };
}

/** What callers of the gateway see: the engines that are up as one, and the gateway's own line. */
export function totalLoad(entries: readonly EngineEntry[], queued: number): MessageInitShape<typeof EngineLoadSchema> {
  const total = { running: 0, waiting: queued, capacity: 0, kvUsedRatio: 0, preemptions: 0n };
  for (const { state, load, inFlight } of entries) {
    if (state !== 'up') continue;
    total.running += load?.running ?? inFlight;
    total.waiting += load?.waiting ?? 0;
    total.capacity += load?.capacity ?? 0;
    total.kvUsedRatio = Math.max(total.kvUsedRatio, load?.kvUsedRatio ?? 0);
    total.preemptions += load?.preemptions ?? 0n;
  }
  return total;
}
