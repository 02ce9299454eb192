import type { GenerateRequest, OutputForm } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { FormKind, ServerForm, ServerRequest } from '#engines/kit/engine-server.ts';
import { formKindOf } from './form-kind.ts';

export interface RequestBounds {
  readonly maxContext: number;
  /** 0 is unknown. */
  readonly vocabularySize: number;
  /** What the server can hold turns to. */
  readonly forms: readonly FormKind[];
}

export interface ParsedRequest extends Omit<ServerRequest, 'requestId' | 'cacheNamespace'> {
  /** Tokens that the context leaves; `maxNewTokens` is never more. */
  readonly room: number;
}

const maxStopStrings = 16;
const maxTemperature = 10;
const maxPriority = 9;

/** As the built-in engine checks it (gradus_learner/engine/request.py), in the same words. Throws TerminalError('invalid_argument'). */
export function parseRequest(
  message: GenerateRequest,
  { maxContext, vocabularySize, forms }: RequestBounds,
): ParsedRequest {
  const fail = (field: string, problem: string): never => {
    throw new TerminalError('invalid_argument', `${field} ${problem}`, { details: { field } });
  };
  const { tokenIds, contextTokens, sampling, priority, form } = message;
  const over = `over the engine's maximum of ${maxContext}`;
  const longer = 'start the engine with a larger --max-context';
  if (tokenIds.length === 0) fail('token_ids', 'is empty; send the whole sequence so far, at least one token');
  if (tokenIds.length > maxContext)
    fail('token_ids', `has ${tokenIds.length} tokens, ${over}; shorten the sequence or ${longer}`);
  const largest = tokenIds.reduce((most, id) => Math.max(most, id), 0);
  if (vocabularySize > 0 && largest >= vocabularySize) {
    fail(
      `token_ids[${tokenIds.indexOf(largest)}]`,
      `is ${largest}, but the vocabulary has ${vocabularySize} tokens (0..${vocabularySize - 1}); use the tokenizer that Describe names`,
    );
  }
  if (contextTokens > maxContext) fail('context_tokens', `is ${contextTokens}, ${over}; lower it or ${longer}`);
  if (sampling === undefined) return fail('sampling', 'is missing');
  const { temperature, topP, topK, maxNewTokens, seed, stop } = sampling;
  if (!(temperature >= 0 && temperature <= maxTemperature))
    fail('sampling.temperature', `is ${temperature}; it must lie in 0..${maxTemperature} (0 is greedy)`);
  if (!(topP >= 0 && topP <= 1)) fail('sampling.top_p', `is ${topP}; it must lie in 0..1 (0 and 1 switch it off)`);
  if (maxNewTokens === 0) fail('sampling.max_new_tokens', 'is 0; ask for at least one token');
  if (stop.length > maxStopStrings)
    fail('sampling.stop', `has ${stop.length} strings; at most ${maxStopStrings} are allowed`);
  if (stop.includes('')) fail('sampling.stop', 'holds an empty string, which every text contains; remove it');
  if (priority > maxPriority) fail('priority', `is ${priority}; it must lie in 0..${maxPriority}`);
  const room = (contextTokens || maxContext) - tokenIds.length;
  // A greedy turn draws from nothing.
  const truncates = temperature > 0;
  return {
    tokenIds,
    temperature,
    topP: truncates && topP > 0 ? topP : 1,
    topK: truncates ? topK : 0,
    maxNewTokens: Math.min(maxNewTokens, room),
    room,
    // JSON and most servers carry 53 bits; workers spread theirs over all 64, so the lower ones differ as well.
    seed: Number(BigInt.asUintN(53, seed)),
    stop,
    priority,
    ...(form !== undefined && { form: formOf(form, forms) }),
  };
}

function formOf({ kind, definition }: OutputForm, forms: readonly FormKind[]): ServerForm {
  const known = formKindOf(kind);
  if (known !== undefined && forms.includes(known)) return { kind: known, definition };
  const can = forms.length === 0 ? 'none' : forms.join(', ');
  throw new TerminalError('unimplemented', `form.kind is ${known ?? kind}; this server holds turns to ${can}`, {
    details: { field: 'form.kind' },
  });
}
