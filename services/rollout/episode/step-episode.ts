/** A turn as the policy wrote it, and the environment's step that answers it. */
import type { Episode, ModelTurn, SampledTurn, StepIo, StepOutcome } from '#environments/kit/environment.ts';
import type { GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { untilCancelled } from '#platform/async/sleep.ts';
import type { Speaker } from './episode-sequences.ts';
import { ofEnvironment } from './user-code-failure.ts';

/** A step that does not heed its signal ends with the turn all the same. Without a turn: nobody waited for it. */
export function stepEpisode(
  environment: string,
  episode: Episode,
  turn: ModelTurn | undefined,
  io: StepIo,
): Promise<StepOutcome> {
  const step = (): StepOutcome | Promise<StepOutcome> => {
    if (turn !== undefined) return episode.step(turn, io);
    if (episode.abandoned === undefined) throw new TypeError('an episode whose turns have a listener has `abandoned`');
    return episode.abandoned(io);
  };
  const what = turn === undefined ? 'abandoned' : `step of turn ${turn.index}`;
  return untilCancelled(ofEnvironment(environment, what, step), io.signal);
}

export function turnOfResponse(
  { text, tokenIds, finishReason, logprobs, logprobKind }: GenerateResponse,
  index: number,
  { role, recorder }: Speaker,
): ModelTurn {
  const tokens = { prompt: recorder.tokenIds.length - tokenIds.length, turn: tokenIds.length };
  const sampled = (): SampledTurn => ({
    prompt: recorder.tokenIds.slice(0, tokens.prompt),
    tokenIds,
    logprobs: logprobKind === LogprobKind.ABSENT ? undefined : logprobs,
  });
  const turn = { index, ...(role !== '' && { role }), text, tokens, sampled };
  if (finishReason === FinishReason.LENGTH) return { ...turn, cutBy: 'turn' };
  if (finishReason === FinishReason.CONTEXT) return { ...turn, cutBy: 'context' };
  return turn;
}
