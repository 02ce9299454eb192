import { z } from 'zod';
import type { CallMessage, ChatCall, WantedForm } from '../../agent-call.ts';
import { refusal } from '../../refusal.ts';
import type { CallRules } from '../dialect.ts';
import { askedLast, listOrText, note, only, parseRequest, samplingFields, tokenBound } from '../read-request.ts';
import { formOf, outputFormat } from '../output-form.ts';
import { toolSchema } from '../tool-schema.ts';

export interface MessagesCall {
  readonly form: WantedForm | undefined;
  /** Any name; answers repeat it. */
  readonly model: string;
  readonly stream: boolean;
  readonly call: ChatCall;
}

const textBlock = (said: string) => ({ type: 'text', text: said });

const text = z.strictObject({
  type: z.literal('text', 'only text is read, as {"type": "text"}'),
  text: z.string(),
  cache_control: note,
  citations: z.null().optional(),
});
const texts = listOrText(text, textBlock);
const toolUse = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string().min(1),
  input: z.record(z.string(), z.unknown()),
});
const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: texts.optional(),
  is_error: z.boolean().optional(),
  cache_control: note,
});
const thought = z.object({ type: z.literal('thinking'), thinking: z.string() });

const unread = ({ input }: { readonly input?: unknown }): string | undefined => {
  const { type } = Object(input) as { readonly type?: unknown };
  return typeof type === 'string' ? `a block of type ${JSON.stringify(type.slice(0, 60))} is not read` : undefined;
};
const userContent = z.discriminatedUnion('type', [text, toolResult], { error: unread });
const modelContent = z.discriminatedUnion('type', [text, toolUse, thought], { error: unread });

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('user'), content: listOrText(userContent, textBlock) }),
  z.strictObject({ role: z.literal('assistant'), content: listOrText(modelContent, textBlock) }),
  z.strictObject({ role: z.literal('system'), content: texts }),
]);

const tool = z.strictObject({
  type: only('custom'),
  name: z.string().min(1),
  description: z.string().optional(),
  input_schema: toolSchema,
  cache_control: note,
  eager_input_streaming: note,
});

const sampling = samplingFields('temperature', 'top_p', 'top_k', 'stop_sequences');

const thinking = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('disabled') }),
  z.object({ type: z.enum(['enabled', 'adaptive']) }),
]);

const asked = {
  model: z.string().min(1),
  messages: z.array(message).min(1).max(1024),
  system: texts.optional(),
  tools: z.array(tool).max(256).optional(),
  tool_choice: z
    .strictObject(
      {
        type: z.enum(['auto', 'none', 'any', 'tool']),
        name: z.string().optional(),
        disable_parallel_tool_use: only(false),
      },
      'is not served; leave it out',
    )
    .transform(({ type }) => (type === 'auto' || type === 'none' ? type : 'forced'))
    .optional(),
  thinking: thinking.optional(),
  cache_control: note,
};

const countRequest = z.strictObject(asked);

const request = z.strictObject({
  ...asked,
  // Every client has to give one.
  max_tokens: tokenBound.unwrap().unwrap(),
  stream: z.boolean().optional(),
  output_config: z.strictObject({ format: outputFormat }).nullish(),
  metadata: note,
  service_tier: note,
  ...sampling,
});

/** Throws a refusal that names the parameter. */
export function readMessages(body: unknown, rules: CallRules): MessagesCall {
  const samplingNames = Object.keys(sampling);
  const given = parseRequest(request, body, { ...rules, samplingNames, boundNames: ['max_tokens'] });
  const form = formOf(given.output_config?.format, 'output_config.format');
  return { form, model: given.model, stream: given.stream ?? false, call: callOf(given, rules) };
}

/** The same of a request whose tokens are counted. */
export function readCount(body: unknown, rules: CallRules): ChatCall {
  return callOf(parseRequest(countRequest, body, { ...rules, samplingNames: [], boundNames: [] }), rules);
}

function callOf(given: z.output<typeof countRequest>, rules: CallRules): ChatCall {
  const thinks = given.thinking !== undefined && given.thinking.type !== 'disabled';
  if (given.thinking !== undefined && thinks !== rules.thinking) {
    const how = rules.thinking ? 'the recipe lets the model think' : 'the recipe does not let the model think';
    throw refusal(
      'unsupported_value',
      `thinking.type: ${how}; change its option \`thinking\`, or leave it out`,
      'thinking.type',
    );
  }
  const system = textOf(given.system);
  const messages = given.messages.flatMap(messagesOf);
  return {
    kind: 'chat',
    messages: [
      ...(system === '' ? [] : [{ role: 'system', text: system } as const]),
      ...askedLast(messages, `messages[${given.messages.length - 1}]`),
    ],
    tools: (given.tools ?? []).map(({ name, description, input_schema: parameters }) => ({
      type: 'function',
      function: { name, ...(description !== undefined && { description }), parameters },
    })),
    mayCall: given.tool_choice !== 'none',
  };
}

/** Results of tools are messages of their own, in their place. */
function messagesOf(given: z.output<typeof message>): readonly CallMessage[] {
  if (given.role === 'system') return [{ role: 'system', text: textOf(given.content) }];
  if (given.role === 'assistant') {
    const calls = given.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: JSON.stringify(block.input) }] : [],
    );
    return [{ role: 'assistant', text: joined(given.content), calls }];
  }
  const messages: CallMessage[] = [];
  let said: string[] = [];
  const say = (): void => {
    if (said.length > 0) messages.push({ role: 'user', text: said.join('') });
    said = [];
  };
  for (const block of given.content) {
    if (block.type === 'text') said.push(block.text);
    else {
      say();
      messages.push({ role: 'tool', callId: block.tool_use_id, text: textOf(block.content) });
    }
  }
  say();
  return messages.length === 0 ? [{ role: 'user', text: '' }] : messages;
}

function joined(content: readonly { readonly type: string; readonly text?: string }[]): string {
  return content.map((block) => (block.type === 'text' ? (block.text ?? '') : '')).join('');
}

function textOf(given: z.output<typeof texts> | undefined): string {
  return joined(given ?? []);
}
