import type { AgentReply } from '../../agent-call.ts';
import type { AboutReply } from '../dialect.ts';
import { sentEvent } from '../read-request.ts';
import type { ResponseCall } from './read.ts';

type Part =
  | {
      readonly type: 'output_text';
      readonly text: string;
      readonly annotations: readonly [];
      readonly logprobs: readonly [];
    }
  | { readonly type: 'reasoning_text'; readonly text: string };

type Item = { readonly id: string; readonly status: string } & (
  | { readonly type: 'reasoning'; readonly summary: readonly []; readonly content: readonly Part[] }
  | { readonly type: 'message'; readonly role: 'assistant'; readonly content: readonly Part[] }
  | { readonly type: 'function_call'; readonly call_id: string; readonly name: string; readonly arguments: string }
);

export function responseOf(call: ResponseCall, reply: AgentReply, about: AboutReply): object {
  return {
    ...head(call, reply, about),
    status: statusOf(reply),
    incomplete_details: reply.cut ? { reason: 'max_output_tokens' } : null,
    completed_at: reply.cut ? null : about.created,
    output: itemsOf(reply, about),
    usage: usageOf(reply),
  };
}

/** Each item is added empty, told in one piece, and done. */
export function responseEvents(call: ResponseCall, reply: AgentReply, about: AboutReply): string {
  const begun = {
    ...head(call, reply, about),
    status: 'in_progress',
    incomplete_details: null,
    completed_at: null,
    output: [],
    usage: null,
  };
  const events = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...itemsOf(reply, about).flatMap((item, index) => [
      { type: 'response.output_item.added', output_index: index, item: emptied(item) },
      ...deltasOf(item).map((event) => ({ item_id: item.id, output_index: index, ...event })),
      { type: 'response.output_item.done', output_index: index, item },
    ]),
    { type: reply.cut ? 'response.incomplete' : 'response.completed', response: responseOf(call, reply, about) },
  ];
  return events.map((event, at) => sentEvent({ ...event, sequence_number: at }, event.type)).join('');
}

function head({ asked, call }: ResponseCall, { turn }: AgentReply, { sessionId, created }: AboutReply) {
  return {
    id: `resp_${sessionId}-${turn}`,
    object: 'response',
    created_at: created,
    error: null,
    model: asked.model,
    instructions: asked.instructions ?? null,
    previous_response_id: asked.previous_response_id ?? null,
    metadata: asked.metadata ?? {},
    parallel_tool_calls: true,
    tool_choice: call.mayCall ? 'auto' : 'none',
    tools: asked.tools ?? [],
    text: { format: asked.text?.format ?? { type: 'text' } },
    temperature: null,
    top_p: null,
    truncation: 'disabled',
  };
}

function statusOf({ cut }: AgentReply): 'incomplete' | 'completed' {
  return cut ? 'incomplete' : 'completed';
}

function itemsOf(reply: AgentReply, { sessionId }: AboutReply): readonly Item[] {
  const { text, thought, calls, turn } = reply;
  const own = `${sessionId}-${turn}`;
  const status = statusOf(reply);
  const said: Part = { type: 'output_text', text, annotations: [], logprobs: [] };
  const thoughts: Part = { type: 'reasoning_text', text: thought };
  return [
    ...(thought === ''
      ? []
      : [{ id: `rs_${own}`, type: 'reasoning', summary: [], content: [thoughts], status } as const]),
    ...(text === '' && calls.length > 0
      ? []
      : [{ id: `msg_${own}`, type: 'message', role: 'assistant', content: [said], status } as const]),
    ...calls.map(
      ({ id, name, arguments: json }, at) =>
        ({ id: `fc_${own}-${at}`, type: 'function_call', call_id: id, name, arguments: json, status }) as const,
    ),
  ];
}

function emptied(item: Item): Item {
  const status = 'in_progress';
  return item.type === 'function_call' ? { ...item, arguments: '', status } : { ...item, content: [], status };
}

interface ItemEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

function deltasOf(item: Item): readonly ItemEvent[] {
  if (item.type === 'function_call') {
    const { arguments: json, name } = item;
    return [
      { type: 'response.function_call_arguments.delta', delta: json },
      { type: 'response.function_call_arguments.done', arguments: json, name },
    ];
  }
  return item.content.flatMap((part, index) => {
    const at = { content_index: index };
    const logprobs = part.type === 'output_text' ? { logprobs: [] } : {};
    return [
      { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
      { type: `response.${part.type}.delta`, ...at, delta: part.text, ...logprobs },
      { type: `response.${part.type}.done`, ...at, text: part.text, ...logprobs },
      { type: 'response.content_part.done', ...at, part },
    ];
  });
}

function usageOf({ tokens: { prompt, turn } = { prompt: 0, turn: 0 } }: AgentReply): object {
  return {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: turn,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: prompt + turn,
  };
}
