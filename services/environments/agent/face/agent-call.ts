import { isDeepStrictEqual } from 'node:util';
import type { ChatMessage, ChatPart } from '#chat/conversation.ts';
import type { ModelTurn } from '../../kit/environment.ts';

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

/** What messages add to those that a conversation has; empty where they change any of these, or add nothing. */
export function tailOf(history: readonly CallMessage[], messages: readonly CallMessage[]): readonly CallMessage[] {
  return history.every((message, at) => isSame(message, messages[at])) ? messages.slice(history.length) : [];
}

/** What is rendered by the model's template. Calls that the model of another conversation made are written as it writes them. */
export function chatMessages(messages: readonly CallMessage[]): readonly ChatMessage[] {
  return messages.map((message) =>
    message.role === 'assistant' && message.calls.length > 0
      ? { role: 'assistant', content: [{ text: message.text }, ...message.calls.flatMap(callParts)] }
      : { role: message.role, content: message.text },
  );
}

function callParts({ name, arguments: json }: ToolCall): readonly ChatPart[] {
  return [
    { text: '\n<tool_call>\n', trusted: true },
    { text: `{"name": ${JSON.stringify(name)}, "arguments": ${json}}` },
    { text: '\n</tool_call>', trusted: true },
  ];
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
