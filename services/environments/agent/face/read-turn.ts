import { z } from 'zod';
import { splitThought, withoutEndMarker } from '../../kit/codec.ts';
import type { AgentReply, ToolCall } from './agent-call.ts';

const call = z.object({ name: z.string().min(1), arguments: z.record(z.string(), z.unknown()).default({}) });
const block = /<tool_call>(.*?)<\/tool_call>/gs;

/** A turn in its parts: Hermes calls, `<tool_call>{"name", "arguments"}</tool_call>`. What cannot be read as a call stays text. */
export function readTurn(text: string, turn: number): Pick<AgentReply, 'text' | 'thought' | 'calls'> {
  const { thought, said } = splitThought(withoutEndMarker(text));
  const calls: ToolCall[] = [];
  const rest = said.replaceAll(block, (whole, json: string) => {
    const read = call.safeParse(parseJson(json)).data;
    if (read === undefined) return whole;
    calls.push({ id: `call_${turn}_${calls.length}`, name: read.name, arguments: JSON.stringify(read.arguments) });
    return '';
  });
  return { text: rest.trim(), thought, calls };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
