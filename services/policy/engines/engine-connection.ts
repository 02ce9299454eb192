import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';

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
