import { z } from 'zod';
import { splitThought, withoutEndMarker } from '../../kit/codec.ts';
import type { AgentReply, ToolCall } from './agent-call.ts';

const call = z.object({ name: z.string().min(1), arguments: z.record(z.string(), z.unknown()).default({}) });
const open = '<tool_call>';
const close = '</tool_call>';

/**
 * A turn in its parts: Hermes calls, `<tool_call>{"name", "arguments"}</tool_call>`. What cannot be read as a call stays text. Takes time linear in
 * the text.
 */
export function readTurn(text: string, turn: number): Pick<AgentReply, 'text' | 'thought' | 'calls'> {
  const { thought, said } = splitThought(withoutEndMarker(text));
  const calls: ToolCall[] = [];
  let rest = '';
  let from = 0;
  for (;;) {
    const start = said.indexOf(open, from);
    const end = start < 0 ? -1 : said.indexOf(close, start);
    if (end < 0) break;
    const read = call.safeParse(parseJson(said.slice(start + open.length, end))).data;
    const after = end + close.length;
    rest += said.slice(from, read === undefined ? after : start);
    if (read !== undefined)
      calls.push({ id: `call_${turn}_${calls.length}`, name: read.name, arguments: JSON.stringify(read.arguments) });
    from = after;
  }
  return { text: (rest + said.slice(from)).trim(), thought, calls };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
