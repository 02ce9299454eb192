import { isDeepStrictEqual } from 'node:util';
import type { CallMessage, ToolCall } from './agent-call.ts';

/**
 * How many messages at the beginning say the same. Clients write what the model said anew: the order of keys, spaces, ids of calls and thoughts are
 * theirs.
 */
export function commonMessages(said: readonly CallMessage[], messages: readonly CallMessage[]): number {
  const end = said.findIndex((message, at) => !isSame(message, messages[at]));
  return end < 0 ? said.length : end;
}

function isSame(one: CallMessage, other: CallMessage | undefined): boolean {
  if (other === undefined || one.role !== other.role) return false;
  if (one.role === 'assistant' && other.role === 'assistant') {
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
