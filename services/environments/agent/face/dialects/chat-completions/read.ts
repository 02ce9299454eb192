import { z } from 'zod';
import type { CallMessage, ChatCall, WantedForm } from '../../agent-call.ts';
import type { CallRules } from '../dialect.ts';
import {
  askedLast,
  listOrText,
  only,
  openAiFields,
  openAiSampling,
  parseRequest,
  tokenBound,
  toolChoice,
} from '../read-request.ts';
import { formOf, responseFormat, structuredForm, structuredOutputs } from '../output-form.ts';
import { toolSchema } from '../tool-schema.ts';

export interface ChatCompletionCall {
  readonly form: WantedForm | undefined;
  readonly call: ChatCall;
  /** Any name; answers repeat it. */
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly samples: number;
  readonly logprobs: boolean;
  readonly tokenIds: boolean;
}

const textPart = z.strictObject({
  type: z.literal('text', 'only text is read, as {"type": "text"}'),
  text: z.string(),
});
const content = listOrText(textPart, (text) => ({ type: 'text', text }));
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
  function: z.object({ name: z.string().min(1), parameters: toolSchema.optional() }).loose(),
});

const request = z.strictObject({
  ...openAiFields,
  messages: z.array(message).min(1).max(1024),
  tools: z.array(tool).max(256).nullish(),
  tool_choice: toolChoice,
  parallel_tool_calls: only(true),
  logprobs: z.boolean().nullish(),
  top_logprobs: only(0),
  response_format: responseFormat,
  structured_outputs: structuredOutputs,
  // Notes of the client, which change no answer.
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  store: only(false),
  max_tokens: tokenBound,
  max_completion_tokens: tokenBound,
  ...openAiSampling,
});

/** Throws a refusal that names the parameter. */
export function readChatCompletion(body: unknown, rules: CallRules): ChatCompletionCall {
  const given = parseRequest(request, body, {
    ...rules,
    samplingNames: Object.keys(openAiSampling),
    boundNames: ['max_tokens', 'max_completion_tokens'],
  });
  const { messages } = given;
  return {
    call: {
      kind: 'chat',
      messages: askedLast(messages.map(messageOf), `messages[${messages.length - 1}]`),
      tools: given.tools ?? [],
      mayCall: given.tool_choice !== 'none',
    },
    form: structuredForm(given.structured_outputs) ?? formOf(given.response_format, 'response_format'),
    model: given.model,
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
    samples: given.n ?? 1,
    logprobs: given.logprobs ?? false,
    tokenIds: given.return_token_ids ?? false,
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
  return (given ?? []).map((part) => part.text).join('');
}
