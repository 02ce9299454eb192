import type { AgentReply } from '../../agent-call.ts';
import type { AboutReply } from '../dialect.ts';
import { sentEvent } from '../read-request.ts';

type Block =
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | { readonly type: 'text'; readonly text: string; readonly citations: null }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: unknown };

export function messageOf(model: string, reply: AgentReply, about: AboutReply): object {
  return { ...head(model, reply, about), content: blocksOf(reply), stop_reason: stopReason(reply) };
}

/** `message_start`, each block with its one delta, `message_delta` with the reason of the end, `message_stop`. */
export function messageEvents(model: string, reply: AgentReply, about: AboutReply): string {
  const blocks = blocksOf(reply).flatMap((block, index) => [
    { type: 'content_block_start', index, content_block: emptied(block) },
    ...deltasOf(block).map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]);
  const { usage, ...begun } = head(model, reply, about);
  const events = [
    { type: 'message_start', message: { ...begun, content: [], usage: { ...usage, output_tokens: 0 } } },
    ...blocks,
    { type: 'message_delta', delta: { stop_reason: stopReason(reply), stop_sequence: null }, usage },
    { type: 'message_stop' },
  ];
  return events.map((event) => sentEvent(event, event.type)).join('');
}

function head(model: string, { turn, tokens }: AgentReply, { sessionId }: AboutReply) {
  const { prompt, turn: written } = tokens ?? { prompt: 0, turn: 0 };
  return {
    id: `msg_${sessionId}_${turn}`,
    type: 'message',
    role: 'assistant',
    model,
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: prompt,
      output_tokens: written,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    },
  } as const;
}

/** Clients read the first block of a turn that called nothing, so that there is one. */
function blocksOf({ text, thought, calls }: AgentReply): readonly Block[] {
  return [
    // Nothing is signed: a thought that comes back is known by its turn.
    ...(thought === '' ? [] : [{ type: 'thinking', thinking: thought, signature: '' } as const]),
    ...(text === '' && calls.length > 0 ? [] : [{ type: 'text', text, citations: null } as const]),
    // Made of an object when the turn was read.
    ...calls.map(
      ({ id, name, arguments: json }) => ({ type: 'tool_use', id, name, input: JSON.parse(json) as unknown }) as const,
    ),
  ];
}

function emptied(block: Block): Block {
  switch (block.type) {
    case 'thinking':
      return { ...block, thinking: '' };
    case 'text':
      return { ...block, text: '' };
    case 'tool_use':
      return { ...block, input: {} };
  }
}

function deltasOf(block: Block): readonly object[] {
  switch (block.type) {
    case 'thinking':
      return [
        { type: 'thinking_delta', thinking: block.thinking },
        { type: 'signature_delta', signature: block.signature },
      ];
    case 'text':
      return [{ type: 'text_delta', text: block.text }];
    case 'tool_use':
      return [{ type: 'input_json_delta', partial_json: JSON.stringify(block.input) }];
  }
}

function stopReason({ cut, calls }: AgentReply): 'max_tokens' | 'tool_use' | 'end_turn' {
  if (cut) return 'max_tokens';
  return calls.length > 0 ? 'tool_use' : 'end_turn';
}
