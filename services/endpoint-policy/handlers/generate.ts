import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateRequest, GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind, type Sampling } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { EndpointSampling } from '#endpoint/chat-client.ts';
import type { EndpointAnswer } from '#endpoint/chat-endpoint.ts';
import { CancelledError, TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { decodeMessages, decodeText, encodeText } from '../conversation/sequence.ts';
import type { EndpointOutcome } from '../events.ts';
import type { EndpointPolicyContext } from '../service.ts';
import { loadOf } from './describe.ts';

type Response = MessageInitShape<typeof GenerateResponseSchema>;

/**
 * One call of the endpoint for one turn. The caller repeats what is worth repeating, within its budget and after the pause that the
 * endpoint asked for; PERMISSION_DENIED is a refusal that every request will meet.
 */
export async function generate(
  context: EndpointPolicyContext,
  request: GenerateRequest,
  signal: AbortSignal,
): Promise<Response> {
  const { messages, sampling, roomTokens } = parse(request);
  const { slots, config, events } = context;
  if (slots.available === 0 && slots.waiting >= config.maxWaiting) {
    events.called('full', 0);
    throw new TransientError('resource_exhausted', `${slots.waiting} requests wait already`, { retryAfterMs: 250 });
  }
  const changed = (): void => events.loadChanged(config.maxRunning - slots.available, slots.waiting);
  const askedMs = performance.now();
  const acquired = slots.acquire(signal);
  changed();
  const release = await acquired.finally(changed);
  const startedMs = performance.now();
  const report = (outcome: EndpointOutcome): void => events.called(outcome, performance.now() - startedMs);
  try {
    const answer = await context.endpoint.complete(messages, samplingOf(sampling), signal);
    report(answer.kind === 'context' ? 'context' : 'answered');
    if (answer.kind === 'message') events.used(answer.promptTokens, answer.completionTokens);
    const turn = turnOf(answer, sampling.stop, roomTokens);
    return {
      ...turn,
      logprobs: [],
      logprobKind: LogprobKind.ABSENT,
      versions: { first: 0n, last: 0n },
      sequenceDigest: sequenceDigest([...request.tokenIds, ...turn.tokenIds]),
      queueMs: Math.round(startedMs - askedMs),
      generateMs: Math.round(performance.now() - startedMs),
      load: loadOf(context),
    };
  } catch (thrown) {
    report(outcomeOf(errorFrom(thrown)));
    throw thrown;
  } finally {
    release();
    changed();
  }
}

function parse({ tokenIds, sampling, contextTokens, form }: GenerateRequest) {
  const fail = (field: string, problem: string): never => {
    throw new TerminalError('invalid_argument', `Generate: ${field} ${problem}`, { details: { field } });
  };
  if (form !== undefined)
    throw new TerminalError('unimplemented', 'Generate: form: an endpoint is asked for free turns', {
      details: { field: 'form' },
    });
  if (sampling === undefined || sampling.maxNewTokens === 0)
    return fail('sampling.max_new_tokens', 'is 0; ask for at least one token');
  const roomTokens = contextTokens - tokenIds.length;
  if (roomTokens <= 0)
    fail('context_tokens', `is ${contextTokens}, and token_ids has ${tokenIds.length}; it must leave room for a turn`);
  const messages = decodeMessages(tokenIds);
  if (messages === undefined)
    return fail('token_ids', 'is not a conversation; send what Tokenize of this service gave');
  return { messages, sampling, roomTokens };
}

function samplingOf({ temperature, topP, topK, maxNewTokens, seed }: Sampling): EndpointSampling {
  return {
    temperature,
    maxTokens: maxNewTokens,
    // What servers do by default is left out: not every one knows the field.
    ...(topP > 0 && topP < 1 && { topP }),
    ...(topK > 0 && { topK }),
    // Servers differ in the widest seed that they take.
    seed: Number(BigInt.asUintN(31, seed)),
  };
}

/**
 * The turn up to the first stop string, which stays in it. Servers leave the string out and do not agree on how to say which it was, so it
 * is not sent: what a model writes behind it is cut here.
 */
function turnOf(answer: EndpointAnswer, stop: readonly string[], roomTokens: number) {
  if (answer.kind === 'context') return { tokenIds: [], text: '', finishReason: FinishReason.CONTEXT };
  const ends = stop.flatMap((each) => {
    const at = answer.text.indexOf(each);
    return at < 0 ? [] : [at + each.length];
  });
  const isStopped = ends.length > 0;
  const text = isStopped ? answer.text.slice(0, Math.min(...ends)) : answer.text;
  const tokenIds = encodeText(text);
  if (tokenIds.length > roomTokens) {
    const kept = tokenIds.slice(0, roomTokens);
    return { tokenIds: kept, text: decodeText(kept), finishReason: FinishReason.CONTEXT };
  }
  return { tokenIds, text, finishReason: answer.cut && !isStopped ? FinishReason.LENGTH : FinishReason.STOP };
}

function outcomeOf(error: TerminalError | TransientError | CancelledError): EndpointOutcome {
  if (error instanceof CancelledError) return 'cancelled';
  if (error instanceof TerminalError) return 'refused';
  return error.code === 'resource_exhausted' ? 'rate_limited' : 'unavailable';
}
