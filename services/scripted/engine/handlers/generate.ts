import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateRequest, GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Engine } from '../engine/engine.ts';

/** Throws TerminalError that names the field, TransientError when too many wait, CancelledError when the caller is gone. */
export async function generate(
  engine: Engine,
  request: GenerateRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof GenerateResponseSchema>> {
  const fail = (field: string, problem: string): never => {
    throw new TerminalError('invalid_argument', `Generate: ${field} ${problem}`, { details: { field } });
  };
  const { tokenIds, contextTokens, sampling } = request;
  if (tokenIds.length === 0) fail('token_ids', 'is empty; send the whole sequence so far');
  if (contextTokens > engine.maxContext)
    fail('context_tokens', `is ${contextTokens}, over the engine's maximum of ${engine.maxContext}`);
  if (tokenIds.length >= (contextTokens || engine.maxContext))
    fail('token_ids', `has ${tokenIds.length} tokens; ${contextTokens || engine.maxContext} leave no room for another`);
  if (sampling === undefined || sampling.maxNewTokens === 0)
    fail('sampling.max_new_tokens', 'is 0; ask for at least one token');
  return await engine.generate(request, turnOf(request.requestId), signal);
}

/** Request ids end in `:TURN`, from 0. A script is a function of the turn, so it has to be there. */
export function turnOf(requestId: string): number {
  const turn = /:(\d{1,9})$/.exec(requestId)?.[1];
  if (turn === undefined) {
    throw new TerminalError(
      'invalid_argument',
      `Generate: request_id is '${requestId}'; a scripted engine needs one that ends in ':TURN', as a worker sends it`,
    );
  }
  return Number(turn);
}
