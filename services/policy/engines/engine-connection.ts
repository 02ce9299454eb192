import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { TerminalError, TransientError, errorFrom, type GradusError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { Security } from '#platform/security/security.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { EngineLoad, EngineLoadSchema } from '#proto/policy/v1/policy_pb.ts';
import type { ReportedLoad, EngineEntry } from './engine-pool.ts';

/** What answers at an address can never be an engine of this gateway: only an operator can put that right. */
export class WrongEngineError extends TerminalError {}

/** One engine, as the gateway talks to it. */
export function connectEngine(address: string, timeoutMs: number, security?: Security) {
  const client = createGrpcClient(EngineService, address, { timeoutMs, security });
  return {
    address,
    describe: async (options: { timeoutMs: number; signal: AbortSignal }) => {
      try {
        return await client.describe({}, options);
      } catch (thrown) {
        throw inWords(address, errorFrom(thrown));
      }
    },
    generate: client.generate,
    loadVersion: client.loadVersion,
    close: () => client.close(),
  };
}

/** What stands there instead of an engine, where the failure shows it. */
function inWords(address: string, error: GradusError): GradusError {
  if (error.code === 'unimplemented')
    return new WrongEngineError(
      'failed_precondition',
      `${address} is another service and no engine: it answers, and not as EngineService; give the address of an engine`,
      { cause: error },
    );
  const say = (words: string): TransientError => new TransientError('unavailable', words, { cause: error });
  // What an engine says of a server of its own is not about the engine.
  if (!error.message.includes('No connection established')) return error;
  if (error.message.includes('ECONNREFUSED')) return say(`nothing listens at ${address}`);
  if (error.message.includes('Protocol error'))
    return say(
      `what listens at ${address} does not speak gRPC; an inference server needs a sidecar next to it: gradus serve engine --help`,
    );
  return error;
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
