import { isDeepStrictEqual } from 'node:util';
import type { ChatMessage } from '#chat/conversation.ts';
import type { ModelTurn } from '../../kit/environment.ts';
import { refusal } from './refusal.ts';

/** A request for a turn, whatever dialect it came in. */
export interface AgentCall {
  readonly messages: readonly CallMessage[];
  /** In JSON schema. */
  readonly tools: readonly unknown[];
}

export type CallMessage =
  | { readonly role: 'system' | 'user'; readonly text: string }
  | { readonly role: 'tool'; readonly text: string; readonly callId: string }
  | { readonly role: 'assistant'; readonly text: string; readonly calls: readonly ToolCall[] };

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON. */
  readonly arguments: string;
}

/** A turn of the model as the agent gets it. */
export interface AgentReply {
  /** From 0, unique in the session. */
  readonly turn: number;
  readonly text: string;
  readonly thought: string;
  readonly calls: readonly ToolCall[];
  readonly cut: boolean;
  readonly tokens: ModelTurn['tokens'];
}

/**
 * What a call adds to the messages that the session has. Throws a refusal where it changes them: what the model has read and written stands
 * in its sequence as the tokens it was.
 */
export function tailOf(history: readonly CallMessage[], messages: readonly CallMessage[]): readonly CallMessage[] {
  const changed = history.findIndex((message, at) => !isSame(message, messages[at]));
  if (changed >= 0) {
    const what = changed < messages.length ? 'is not what this session has there' : 'is missing';
    throw refusal(
      'history_rewritten',
      `messages[${changed}] (${history[changed]?.role}) ${what}; a session continues one conversation, so send all of its messages unchanged and add to them`,
      `messages[${changed}]`,
    );
  }
  const tail = messages.slice(history.length);
  const last = tail.at(-1);
  if (last === undefined) {
    throw refusal(
      'nothing_added',
      'messages: the same conversation was answered already; a second sample of one turn is not served yet',
      'messages',
    );
  }
  return tail;
}

/** What is rendered by the model's template. Throws a refusal for what a template is not given. */
export function chatMessages(messages: readonly CallMessage[], from: number): readonly ChatMessage[] {
  if (messages.at(-1)?.role === 'assistant') {
    const at = `messages[${from + messages.length - 1}]`;
    throw refusal('unsupported_value', `${at}.role: the model cannot go on with a turn of somebody else's`, at);
  }
  return messages.map((message, at) => {
    if (message.role === 'assistant' && message.calls.length > 0) {
      const field = `messages[${from + at}].tool_calls`;
      throw refusal('unsupported_value', `${field}: the model of this session did not make these calls`, field);
    }
    return { role: message.role, content: message.text };
  });
}

function isSame(one: CallMessage, other: CallMessage | undefined): boolean {
  if (other === undefined || one.role !== other.role) return false;
  if (one.role === 'assistant' && other.role === 'assistant') {
    // Clients write calls anew: order of keys, spaces and ids are theirs.
    return one.text.trim() === other.text.trim() && isDeepStrictEqual(one.calls.map(meaning), other.calls.map(meaning));
  }
  return isDeepStrictEqual(one, other);
}

function meaning({ name, arguments: json }: ToolCall): object {
  try {
    return { name, arguments: JSON.parse(json) as unknown };
  } catch {
    return { name, arguments: json };
  }
}
