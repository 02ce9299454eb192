import { z } from 'zod';
import type { AgentCall, CallMessage } from '../../agent-call.ts';
import type { CallRules } from '../dialect.ts';
import { askedLast, jsonSchema, only, parseRequest, samplingFields } from '../read-request.ts';

export interface ChatCompletionCall extends AgentCall {
  /** Any name; answers repeat it. */
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

const textPart = z.strictObject({
  type: z.literal('text', 'only text is read, as {"type": "text"}'),
  text: z.string(),
});
const content = z.union([z.string(), z.array(textPart).min(1)]);
const toolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const message = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer', 'user']), content }),
  z.object({ role: z.literal('tool'), content, tool_call_id: z.string() }),
  z.object({
    role: z.literal('assistant'),
    content: content.nullish(),
    refusal: z.null().optional(),
    tool_calls: z.array(toolCall).nullish(),
  }),
]);
const tool = z.object({
  type: z.literal('function'),
  function: z.object({ name: z.string().min(1), parameters: jsonSchema.optional() }).loose(),
});

const sampling = samplingFields(
  'temperature',
  'top_p',
  'max_tokens',
  'max_completion_tokens',
  'seed',
  'stop',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
);

const request = z.strictObject({
  model: z.string().min(1),
  messages: z.array(message).min(1).max(1024),
  tools: z.array(tool).max(256).nullish(),
  tool_choice: only('auto'),
  parallel_tool_calls: only(true),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  n: only(1),
  logprobs: only(false),
  response_format: z.strictObject({ type: z.literal('text') }, 'only {"type": "text"} is served').nullish(),
  // Notes of the client, which change no answer.
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  store: only(false),
  ...sampling,
});

/** Throws a refusal that names the parameter. */
export function readChatCompletion(body: unknown, rules: CallRules): ChatCompletionCall {
  const { model, messages, tools, stream, stream_options: options } = parseRequest(request, body, sampling, rules);
  return {
    model,
    messages: askedLast(messages.map(messageOf), `messages[${messages.length - 1}]`),
    tools: tools ?? [],
    stream: stream ?? false,
    includeUsage: options?.include_usage ?? false,
  };
}

function messageOf(given: z.output<typeof message>): CallMessage {
  const text = textOf(given.content);
  switch (given.role) {
    case 'assistant': {
      const calls = (given.tool_calls ?? []).map((one) => ({ id: one.id, ...one.function }));
      return { role: 'assistant', text, calls };
    }
    case 'tool':
      return { role: 'tool', text, callId: given.tool_call_id };
    case 'developer':
      return { role: 'system', text };
    default:
      return { role: given.role, text };
  }
}

function textOf(given: z.output<typeof content> | null | undefined): string {
  if (given === null || given === undefined) return '';
  return typeof given === 'string' ? given : given.map((part) => part.text).join('');
}
