import { splitThought, withoutEndMarker } from '../../../kit/codec.ts';
import type { AgentReply } from '../agent-call.ts';
import type { ToolCalls } from './index.ts';

/** A turn of a chat in its parts. `tools` are those of the request; undefined where it wants no calls, so that all of the turn is text. */
export function readTurn(
  text: string,
  turn: number,
  toolCalls: Pick<ToolCalls, 'read'>,
  tools: readonly unknown[] | undefined,
): Pick<AgentReply, 'text' | 'thought' | 'calls'> {
  const { thought, said } = splitThought(withoutEndMarker(text));
  const read = tools === undefined ? { text: said, calls: [] } : toolCalls.read(said, tools);
  const calls = read.calls.map((call, at) => ({
    id: `call_${turn}_${at}`,
    name: call.name,
    arguments: JSON.stringify(call.arguments),
  }));
  return { text: read.text.trim(), thought, calls };
}
