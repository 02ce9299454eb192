import type { AgentReply } from '../../agent-call.ts';
import type { AboutReply } from '../dialect.ts';
import { sentEvent } from '../read-request.ts';
import type { ChatCompletionCall } from './read.ts';

export function chatCompletion(call: ChatCompletionCall, reply: AgentReply, about: AboutReply): object {
  return {
    ...head(call, reply, about),
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', ...spoken(reply), refusal: null },
        logprobs: null,
        finish_reason: finishOf(reply),
      },
    ],
    usage: usageOf(reply),
  };
}

export function chatCompletionEvents(call: ChatCompletionCall, reply: AgentReply, about: AboutReply): string {
  const chunk = (choices: readonly object[], more: object = {}): object => ({
    ...head(call, reply, about),
    object: 'chat.completion.chunk',
    choices,
    ...more,
  });
  const { tool_calls: calls, ...text } = spoken(reply);
  const delta = {
    role: 'assistant',
    ...text,
    ...(calls && { tool_calls: calls.map((one, index) => ({ index, ...one })) }),
  };
  const chunks = [
    chunk([{ index: 0, delta, finish_reason: null }]),
    chunk([{ index: 0, delta: {}, finish_reason: finishOf(reply) }]),
    ...(call.includeUsage ? [chunk([], { usage: usageOf(reply) })] : []),
  ];
  return [...chunks, '[DONE]'].map((one) => sentEvent(one)).join('');
}

function head({ model }: ChatCompletionCall, { turn }: AgentReply, { sessionId, created }: AboutReply) {
  return { id: `chatcmpl-${sessionId}-${turn}`, created, model };
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

function finishOf({ cut, calls }: AgentReply): 'length' | 'tool_calls' | 'stop' {
  if (cut) return 'length';
  return calls.length > 0 ? 'tool_calls' : 'stop';
}

function usageOf({ tokens: { prompt, turn } = { prompt: 0, turn: 0 } }: AgentReply): object {
  return { prompt_tokens: prompt, completion_tokens: turn, total_tokens: prompt + turn };
}
