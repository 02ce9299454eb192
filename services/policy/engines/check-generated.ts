import type { GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { badLogprob } from '#trajectory/bad-logprob.ts';

/**
 * What an engine generated must be tokens of the vocabulary with a log-probability each. An engine whose weights or memory are damaged
 * gives others: nothing of that may be trained on (P2), and another engine can do the turn. Throws `TransientError` with the engine's name.
 * `vocabularySize` 0 is unknown.
 */
export function checkGenerated(
  { tokenIds, logprobs }: GenerateResponse,
  address: string,
  vocabularySize: number,
): void {
  const fail = (problem: string): never => {
    throw new TransientError('aborted', `engine ${address} ${problem}; its weights or its memory may be damaged`);
  };
  if (logprobs.length !== tokenIds.length) fail(`gave ${logprobs.length} logprobs for ${tokenIds.length} tokens`);
  const bad = badLogprob(logprobs);
  if (bad !== -1) fail(`gave ${logprobs[bad]} as the log-probability of token ${bad} of ${tokenIds.length}`);
  const beyond = vocabularySize === 0 ? -1 : tokenIds.findIndex((id) => id >= vocabularySize);
  if (beyond !== -1) fail(`gave token id ${tokenIds[beyond]}, and its vocabulary has ${vocabularySize}`);
}
