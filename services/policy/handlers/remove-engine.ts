import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RemoveEngineRequest, RemoveEngineResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { PolicyContext } from '../service.ts';
import { checkAddress } from './add-engine.ts';

const MAX_DRAIN_MS = 600_000;

export async function removeEngine(
  { fleet }: PolicyContext,
  { address, drainMs }: RemoveEngineRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof RemoveEngineResponseSchema>> {
  checkAddress('RemoveEngine', address);
  if (drainMs > MAX_DRAIN_MS) {
    throw new TerminalError('invalid_argument', `RemoveEngine: drain_ms is ${drainMs}; at most ${MAX_DRAIN_MS}`, {
      details: { field: 'drain_ms' },
    });
  }
  const moved = await fleet.remove(address, drainMs, signal);
  return { moved, engines: fleet.describe().entries.length };
}
