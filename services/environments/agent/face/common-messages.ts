import { isDeepStrictEqual } from 'node:util';
import type { CallMessage, ToolCall } from './agent-call.ts';

/**
 * How many messages at the beginning say the same. Clients write what the model said anew: the order of keys, spaces, ids of calls and thoughts are
 * theirs.
 */
export function commonMessages(said: readonly CallMessage[], messages: readonly CallMessage[]): number {
  /** Ids of calls as they were said, by those that the client gives them. */
  const ids = new Map<string, string>();
  const end = said.findIndex((message, at) => !isSame(message, messages[at], ids));
  return end < 0 ? said.length : end;
}

/** Compared with every conversation of the session at each call: what is the same to the letter is not read. */
function isSame(one: CallMessage, other: CallMessage | undefined, ids: Map<string, string>): boolean {
  if (other === undefined) return false;
  if (one.role === 'assistant') {
    if (other.role !== 'assistant' || !isSameTurn(one, other)) return false;
    for (const [at, { id }] of one.calls.entries()) ids.set(other.calls[at]?.id ?? id, id);
    return true;
  }
  if (one.text !== other.text || one.role !== other.role) return false;
  return one.role !== 'tool' || (other.role === 'tool' && one.callId === (ids.get(other.callId) ?? other.callId));
}

type Turn = Extract<CallMessage, { readonly role: 'assistant' }>;

function isSameTurn(one: Turn, other: Turn): boolean {
  if (one.text !== other.text && one.text.trim() !== other.text.trim()) return false;
  return (
    one.calls.length === other.calls.length && one.calls.every((call, at) => isSameCall(call, other.calls[at] ?? call))
  );
}

function isSameCall(one: ToolCall, other: ToolCall): boolean {
  if (one.name !== other.name) return false;
  return one.arguments === other.arguments || isDeepStrictEqual(valueOf(one.arguments), valueOf(other.arguments));
}

function valueOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
