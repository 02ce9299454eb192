/** OpenAI's chat completions: requests as its clients send them, answers as they read them. */
import { z } from 'zod';
import type { AgentCall, AgentReply, CallMessage } from './agent-call.ts';
import { refusal } from './refusal.ts';
import type { TerminalError } from '#platform/errors.ts';

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
  function: z.object({ name: z.string().min(1), parameters: z.looseObject({}).optional() }).loose(),
});

/** Accepted with the one value that means what is done anyway. */
const only = <T extends string | number | boolean>(...values: [T, ...T[]]) =>
  z.literal(values, { error: ({ input }) => `${JSON.stringify(input)} is not served; leave it out` }).nullish();

const unread = z.unknown().optional();
/** How is sampled; the recipe says that. */
const samplingFields = {
  temperature: unread,
  top_p: unread,
  max_tokens: unread,
  max_completion_tokens: unread,
  seed: unread,
  stop: unread,
  presence_penalty: unread,
  frequency_penalty: unread,
  logit_bias: unread,
};

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
  ...samplingFields,
});

/** Throws a refusal that names the parameter. */
export function readChatCompletion(body: unknown, sampling: 'refused' | 'ignored'): ChatCompletionCall {
  const parsed = request.safeParse(body);
  if (!parsed.success) throw refusalOf(parsed.error);
  const given = parsed.data;
  const values = new Map<string, unknown>(Object.entries(given));
  const sampled = Object.keys(samplingFields).find((name) => (values.get(name) ?? undefined) !== undefined);
  if (sampling === 'refused' && sampled !== undefined) {
    const why = 'the recipe says how is sampled; leave it out, or set the option `sampling: ignored`';
    throw refusal('unsupported_parameter', `${sampled}: ${why}`, sampled);
  }
  return {
    model: given.model,
    messages: given.messages.map(messageOf),
    tools: given.tools ?? [],
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
  };
}

function refusalOf({ issues }: z.ZodError): TerminalError {
  const [first] = issues;
  if (first?.code === 'unrecognized_keys') {
    const name = [...first.path, first.keys[0]].join('.');
    return refusal('unsupported_parameter', `${name}: is not served; leave it out`, name);
  }
  const param = (first?.path ?? []).reduce<string>(
    (path, part) => (typeof part === 'number' ? `${path}[${part}]` : `${path}${path === '' ? '' : '.'}${String(part)}`),
    '',
  );
  return refusal('invalid_value', `${param === '' ? 'body' : param}: ${first?.message ?? ''}`, param);
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

/** `created` in seconds since 1970. */
export function chatCompletion(
  call: ChatCompletionCall,
  sessionId: string,
  reply: AgentReply,
  created: number,
): object {
  return {
    ...head(call, sessionId, reply, created),
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

/** The same as events of a stream: a turn is whole before it is told. */
export function chatCompletionEvents(
  call: ChatCompletionCall,
  sessionId: string,
  reply: AgentReply,
  created: number,
): string {
  const chunk = (choices: readonly object[], more: object = {}): object => ({
    ...head(call, sessionId, reply, created),
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
  return [...chunks.map((one) => JSON.stringify(one)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('');
}

function head({ model }: ChatCompletionCall, sessionId: string, { turn }: AgentReply, created: number) {
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
