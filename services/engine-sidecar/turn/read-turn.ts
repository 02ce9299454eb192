import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Tokenizer } from '#chat/tokenizer.ts';
import type { ServerDescription, ServerTurn } from '#engines/kit/engine-server.ts';
import { TransientError } from '#platform/errors.ts';
import { badLogprob } from '#trajectory/segments.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import type { ParsedRequest } from './parse-request.ts';

type Turn = Pick<
  MessageInitShape<typeof GenerateResponseSchema>,
  'tokenIds' | 'text' | 'logprobs' | 'finishReason' | 'sequenceDigest' | 'cachedTokens'
>;

/**
 * What the server gave, if it is a turn: tokens of the vocabulary within the room, a log-probability each. Anything else is infrastructure (P2):
 * throws `TransientError` with the server's name, and another engine does the turn.
 */
export function readTurn(
  turn: ServerTurn,
  request: ParsedRequest,
  engine: { readonly description: ServerDescription; readonly tokenizer: Tokenizer; readonly vocabularySize: number },
): Turn {
  const { tokenIds, logprobs, finish } = turn;
  const { description, tokenizer, vocabularySize } = engine;
  const fail: (problem: string) => never = (problem) => {
    throw new TransientError('aborted', `${description.program} ${problem}`);
  };
  // Nobody asked for it: a turn that was given up is not one that ran out of room.
  if (finish === 'aborted') fail('gave the turn up');
  if (tokenIds.length === 0) fail('gave no tokens');
  if (tokenIds.length > request.maxNewTokens)
    fail(`gave ${tokenIds.length} tokens where ${request.maxNewTokens} were asked for`);
  if (finish === 'length' && tokenIds.length < request.maxNewTokens)
    fail(
      `ended the turn as too long after ${tokenIds.length} of ${request.maxNewTokens} tokens; its own context is shorter`,
    );
  const expected = description.output === 'logprobs' ? tokenIds.length : 0;
  if (logprobs.length !== expected) fail(`gave ${logprobs.length} logprobs for ${tokenIds.length} tokens`);
  const bad = badLogprob(logprobs);
  if (bad !== -1)
    fail(
      `gave ${logprobs[bad]} as the log-probability of token ${bad} of ${tokenIds.length}; its weights or its memory may be damaged`,
    );
  const beyond = vocabularySize === 0 ? -1 : tokenIds.findIndex((id) => id >= vocabularySize);
  if (beyond !== -1) fail(`gave token id ${tokenIds[beyond]}, and its vocabulary has ${vocabularySize}`);
  return {
    tokenIds: [...tokenIds],
    text: tokenizer.decode(tokenIds),
    logprobs: [...logprobs],
    finishReason: finishOf(finish, request),
    sequenceDigest: sequenceDigest([...request.tokenIds, ...tokenIds]),
    // Some count what was computed for the turn, too.
    cachedTokens: Math.min(turn.cachedTokens ?? 0, request.tokenIds.length),
  };
}

function finishOf(finish: 'stop' | 'length', { room, maxNewTokens }: ParsedRequest): FinishReason {
  if (finish === 'stop') return FinishReason.STOP;
  return maxNewTokens === room ? FinishReason.CONTEXT : FinishReason.LENGTH;
}

/**
 * Of the log-probabilities of a turn. Raw ones are tempered ones at temperature 1, and a greedy turn's are at 1 by contract; those after top-k and top-p
 * are tempered ones where both are off, and nothing that can be used where they are not (`needsScore`).
 */
export function logprobKind(description: ServerDescription, temperature: number): LogprobKind {
  if (description.logprobs === undefined) return LogprobKind.ABSENT;
  switch (description.logprobs) {
    case 'raw':
      return temperature === 1 || temperature === 0 ? LogprobKind.TEMPERED : LogprobKind.RAW;
    case 'tempered':
    case 'processed':
      return LogprobKind.TEMPERED;
  }
}

/** Whether what the server says of a turn is of a distribution that top-k or top-p have cut: the turn is to be scored once more, raw. */
export function needsScore({ logprobs }: ServerDescription, { topK, topP }: ParsedRequest): boolean {
  return logprobs === 'processed' && (topK > 0 || topP < 1);
}
