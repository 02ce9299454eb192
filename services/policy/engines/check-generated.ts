import type { GenerateRequest, GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { badLogprob } from '#trajectory/segments.ts';
import { digestsEqual, sequenceDigest } from '#trajectory/sequence-digest.ts';

export interface AskedEngine {
  readonly address: string;
  /** 0 is unknown. */
  readonly vocabularySize: number;
}

const damaged = 'its weights or its memory may be damaged';
const broken = 'it does not keep to the contract of EngineService: look for other versions of it and of this gateway';
/** An engine refuses a request for weights that it does not have (`min_version`), so it answered without having looked. */
const restarted = 'it was restarted since, and should have refused';

/**
 * What an engine generated must be what was asked for: tokens of the vocabulary with a log-probability each (none where it says that it gives none), no
 * more than fit, an end with a reason, by weights that are new enough, after the prompt that was sent. An engine whose weights or memory are damaged
 * gives others: nothing of that may be trained on (P2), and another engine can do the turn. Throws TransientError with the engine's name.
 */
export function checkGenerated(
  { tokenIds: prompt, contextTokens, sampling, minVersion }: GenerateRequest,
  { tokenIds, logprobs, logprobKind, finishReason, versions, sequenceDigest: digest }: GenerateResponse,
  { address, vocabularySize }: AskedEngine,
): void {
  const fail = (problem: string, meaning: string): never => {
    throw new TransientError('aborted', `engine ${address} ${problem}; ${meaning}`);
  };
  const expected = logprobKind === LogprobKind.ABSENT ? 0 : tokenIds.length;
  if (logprobs.length !== expected) fail(`gave ${logprobs.length} logprobs for ${tokenIds.length} tokens`, broken);
  const bad = badLogprob(logprobs);
  if (bad !== -1) fail(`gave ${logprobs[bad]} as the log-probability of token ${bad} of ${tokenIds.length}`, damaged);
  const beyond = vocabularySize === 0 ? -1 : tokenIds.findIndex((id) => id >= vocabularySize);
  if (beyond !== -1) fail(`gave token id ${tokenIds[beyond]}, and its vocabulary has ${vocabularySize}`, damaged);
  const room = Math.min(sampling?.maxNewTokens ?? Infinity, contextTokens - prompt.length);
  if (tokenIds.length > room) fail(`gave ${tokenIds.length} tokens where ${room} had room`, broken);
  if (finishReason === FinishReason.UNSPECIFIED) fail('gave no finish reason', broken);
  if (versions === undefined) return fail('did not say which policy version wrote', broken);
  const { first, last } = versions;
  if (first > last) fail(`said that versions ${first} to ${last} wrote, in this order`, broken);
  if (first < minVersion) fail(`wrote with version ${first}, and was asked for ${minVersion} or later`, restarted);
  if (!digestsEqual(digest, sequenceDigest([...prompt, ...tokenIds])))
    fail(`wrote after another sequence than the ${prompt.length} tokens that it was given`, broken);
}
