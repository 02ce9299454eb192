/** What a sequence reads next, or begins with. */
import type { Continuation, Conversation } from '#chat/conversation.ts';
import type { StepOutcome, TokenPrompt } from '#environments/kit/environment.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { EnvironmentInPlay } from './check-outcome.ts';
import type { EpisodeSequences, Speaker } from './episode-sequences.ts';
import type { SequencePrefix } from './sequence-recorder.ts';
import type { OutsideText, TokenizedText } from './token-source.ts';
import { UserCodeFailure } from './user-code-failure.ts';

type Continues = Extract<StepOutcome, { readonly kind: 'continue' }>;

type Following = string | Conversation | Continuation | TokenPrompt;

export function thinks(prompt: Following): boolean {
  return typeof prompt !== 'string' && 'thinking' in prompt && prompt.thinking;
}

/** Throws UserCodeFailure where the role that is named has no such turn. */
export function forkedFrom(
  { definition }: EnvironmentInPlay,
  sequences: EpisodeSequences,
  { role, turns }: { readonly role: string; readonly turns: number },
): { readonly from: Speaker; readonly prefix: SequencePrefix } {
  const from = sequences.find(role);
  const prefix = from?.recorder.upTo(turns);
  if (from !== undefined && prefix !== undefined) return { from, prefix };
  const message = `environment ${definition.name}, step: fork: '${role}' has no turn ${turns}`;
  throw new UserCodeFailure(FailureClass.USER_ENVIRONMENT, message);
}

export function followingOf(outcome: Continues, thinking: boolean): Following {
  if ('text' in outcome) return outcome.text;
  if ('tokenIds' in outcome) return { tokenIds: outcome.tokenIds };
  return 'prompt' in outcome ? outcome.prompt : { after: outcome.messages, thinking };
}

export function outside<Said>(said: Said | string): Said | OutsideText {
  return typeof said === 'string' ? { outside: said } : said;
}

/** P4: the end of the turn is appended unless the model has written it itself. */
export function afterTurn({ text, tokenIds, turnEnd }: TokenizedText, turn: readonly number[]): Appended {
  if (turnEnd === undefined) return { text, tokenIds };
  const { length } = turnEnd.tokenIds;
  const ended =
    length > 0 && turn.slice(-length).every((id, at) => id === turnEnd.tokenIds[at]) && turn.length >= length;
  return ended ? { text, tokenIds } : { text: turnEnd.text + text, tokenIds: [...turnEnd.tokenIds, ...tokenIds] };
}

type Appended = Pick<TokenizedText, 'text' | 'tokenIds'>;
