import { z } from 'zod';
import type { CallMessage, ChatCall, ToolCall } from '../../agent-call.ts';
import { refusal } from '../../refusal.ts';
import type { CallRules } from '../dialect.ts';
import {
  askedLast,
  listOrText,
  note,
  only,
  parseRequest,
  samplingFields,
  tokenBound,
  toolChoice,
} from '../read-request.ts';
import { textFormat } from '../output-form.ts';
import { toolSchema } from '../tool-schema.ts';

export interface ResponseCall {
  readonly call: ChatCall;
  readonly stream: boolean;
  /** What the answer repeats. */
  readonly asked: Pick<
    z.output<typeof request>,
    'model' | 'instructions' | 'previous_response_id' | 'metadata' | 'tools' | 'text'
  >;
}

const inputText = z.strictObject({
  type: z.literal('input_text', 'only text is read, as {"type": "input_text"}'),
  text: z.string(),
});
const outputText = z.object({ type: z.literal('output_text'), text: z.string() });
const texts = z.union([z.string(), z.array(inputText)], 'text is read, or a list of {"type": "input_text"}');

const item = z.union(
  [
    z.strictObject({
      type: z.literal('message').optional(),
      role: z.enum(['user', 'system', 'developer']),
      content: texts,
      id: note,
      status: note,
    }),
    // What an answer held comes back with what its client made of it.
    z.object({
      type: z.literal('message').optional(),
      role: z.literal('assistant'),
      content: z.union([z.string(), z.array(outputText)]),
    }),
    z.object({ type: z.literal('function_call'), call_id: z.string(), name: z.string().min(1), arguments: z.string() }),
    z.strictObject({
      type: z.literal('function_call_output'),
      call_id: z.string(),
      output: texts,
      id: note,
      status: note,
    }),
    z.object({ type: z.literal('reasoning') }),
  ],
  {
    error: ({ input }) => {
      const { type, role } = Object(input) as { readonly type?: unknown; readonly role?: unknown };
      const what = JSON.stringify(type ?? role) ?? 'nothing';
      return `an item of ${what.slice(0, 60)} like this is not read: messages of text, function calls and their outputs are, and reasoning`;
    },
  },
);

const tool = z.strictObject({
  type: z.literal('function', 'only tools of type "function" are served'),
  name: z.string().min(1),
  description: z.string().nullish(),
  parameters: toolSchema.nullish(),
  // Whatever it says, arguments are as the model writes them.
  strict: note,
});

const sampling = samplingFields('temperature', 'top_p', 'reasoning');

const request = z.strictObject({
  model: z.string().min(1),
  input: listOrText(item, (text) => ({ role: 'user', content: text }), 1),
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  tools: z.array(tool).max(256).nullish(),
  tool_choice: toolChoice,
  parallel_tool_calls: only(true),
  stream: z.boolean().nullish(),
  stream_options: note,
  text: z
    .strictObject({
      format: textFormat,
    })
    .nullish(),
  truncation: only('disabled'),
  background: only(false),
  top_logprobs: only(0),
  include: z.array(z.never('is not served; leave it out')).nullish(),
  max_output_tokens: tokenBound,
  // Notes of the client, which change no answer.
  metadata: z.record(z.string(), z.string()).nullish(),
  store: note,
  user: note,
  safety_identifier: note,
  prompt_cache_key: note,
  prompt_cache_retention: note,
  service_tier: note,
  ...sampling,
});

/** Throws a refusal that names the parameter. */
export function readResponse(body: unknown, rules: CallRules): ResponseCall {
  const given = parseRequest(request, body, {
    ...rules,
    samplingNames: Object.keys(sampling),
    boundNames: ['max_output_tokens'],
  });
  const { input, instructions, previous_response_id: previous } = given;
  const system = instructions ?? '';
  const earlier = typeof previous === 'string' ? earlierMessages(previous, rules) : [];
  return {
    asked: given,
    stream: given.stream ?? false,
    call: {
      kind: 'chat',
      instructed: system !== '',
      messages: [
        ...(system === '' ? [] : [{ role: 'system', text: system } as const]),
        ...earlier,
        ...askedLast(messagesOf(input), `input[${input.length - 1}]`),
      ],
      tools: (given.tools ?? []).map(({ name, description, parameters }) => ({
        type: 'function',
        function: { name, ...(typeof description === 'string' && { description }), ...(parameters && { parameters }) },
      })),
      mayCall: given.tool_choice !== 'none',
    },
  };
}

/** What was said up to a response of this session; its instructions are not carried over. */
function earlierMessages(id: string, { saidUntil }: CallRules): readonly CallMessage[] {
  const said = saidUntil?.(id.replace(/^resp_/, ''));
  if (said !== undefined) return said;
  const name = 'previous_response_id';
  throw refusal(
    'previous_response_not_found',
    `${name}: ${JSON.stringify(id.slice(0, 200))} is no response of this session`,
    name,
  );
}

/** What stands between two turns of the model is one message each; what the model said in one turn is one, whatever it said. */
function messagesOf(items: readonly z.output<typeof item>[]): readonly CallMessage[] {
  const messages: CallMessage[] = [];
  for (const one of items) {
    if ('role' in one && one.role !== 'assistant') {
      messages.push({ role: one.role === 'user' ? 'user' : 'system', text: textOf(one.content) });
    } else if ('output' in one) {
      messages.push({ role: 'tool', callId: one.call_id, text: textOf(one.output) });
    } else {
      const last = messages.at(-1);
      const turn = last?.role === 'assistant' ? last : { role: 'assistant' as const, text: '', calls: [] };
      if (turn === last) messages.pop();
      messages.push({
        ...turn,
        text: turn.text + ('role' in one ? textOf(one.content) : ''),
        calls: [...turn.calls, ...callsOf(one)],
      });
    }
  }
  return messages;
}

function callsOf(one: z.output<typeof item>): readonly ToolCall[] {
  return 'arguments' in one ? [{ id: one.call_id, name: one.name, arguments: one.arguments }] : [];
}

function textOf(given: string | readonly { readonly text: string }[]): string {
  return typeof given === 'string' ? given : given.map(({ text }) => text).join('');
}
