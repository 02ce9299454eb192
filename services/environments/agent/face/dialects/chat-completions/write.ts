import type { AgentReply } from '../../agent-call.ts';
import type { AboutReply, Sample } from '../dialect.ts';
import { sentEvent } from '../read-request.ts';
import { finishOf, tokenIdsOf, promptIdsOf, usageOf } from '../openai-answer.ts';
import type { ChatCompletionCall } from './read.ts';

export function chatCompletion(call: ChatCompletionCall, samples: readonly Sample[], about: AboutReply): object {
  return {
    ...head(call, samples, about),
    object: 'chat.completion',
    choices: samples.map((sample, index) => ({
      index,
      message: { role: 'assistant', ...spoken(sample), refusal: null },
      logprobs: call.logprobs ? logprobsOf(sample) : null,
      finish_reason: finishOf(sample),
      ...(call.tokenIds && tokenIdsOf(sample)),
    })),
    usage: usageOf(samples),
    ...(call.tokenIds && promptIdsOf(samples)),
  };
}

export function chatCompletionEvents(call: ChatCompletionCall, samples: readonly Sample[], about: AboutReply): string {
  const chunk = (choices: readonly object[], more: object = {}): object => ({
    ...head(call, samples, about),
    object: 'chat.completion.chunk',
    choices,
    ...more,
  });
  const said = samples.map((sample, index) => {
    const { tool_calls: calls, ...text } = spoken(sample);
    const called = calls && { tool_calls: calls.map((one, at) => ({ index: at, ...one })) };
    return {
      index,
      delta: { role: 'assistant', ...text, ...called },
      ...(call.logprobs && { logprobs: logprobsOf(sample) }),
      finish_reason: null,
      ...(call.tokenIds && tokenIdsOf(sample)),
    };
  });
  const chunks = [
    chunk(said, call.tokenIds ? promptIdsOf(samples) : {}),
    chunk(samples.map((sample, index) => ({ index, delta: {}, finish_reason: finishOf(sample) }))),
    ...(call.includeUsage ? [chunk([], { usage: usageOf(samples) })] : []),
  ];
  return [...chunks, '[DONE]'].map((one) => sentEvent(one)).join('');
}

function head({ model }: ChatCompletionCall, samples: readonly Sample[], { sessionId, created }: AboutReply) {
  return { id: `chatcmpl-${sessionId}-${samples[0]?.turn ?? 0}`, created, model };
}

function spoken({ text, thought, calls }: AgentReply) {
  return {
    content: text === '' && calls.length > 0 ? null : text,
    ...(thought !== '' && { reasoning_content: thought }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, ...called }) => ({ id, type: 'function', function: called })),
    }),
  };
}

/** Null where the policy gives none. */
function logprobsOf({ sampled, tokenTexts = [] }: Sample): object | null {
  const { logprobs } = sampled ?? {};
  if (logprobs === undefined) return null;
  const content = logprobs.map((logprob, at) => {
    const token = tokenTexts[at] ?? '';
    return { token, logprob, bytes: [...Buffer.from(token)], top_logprobs: [] };
  });
  return { content, refusal: null };
}
