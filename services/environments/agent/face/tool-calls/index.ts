import type { ToolCallFormat, WrittenCall } from './tool-call-format.ts';
import { llamaJson } from './llama-json.ts';
import { qwenXml } from './qwen-xml.ts';
import { hermes, xml } from './tagged-json.ts';

/** Each by its name in the option `tool_calls`; `auto` tries them in this order. */
const formats = { qwen_xml: qwenXml, hermes, xml, llama_json: llamaJson } as const;

export const toolCallFormats = ['auto', 'hermes', 'qwen_xml', 'llama_json', 'xml'] as const;
export type ToolCallFormatName = (typeof toolCallFormats)[number];

/** Reads the calls of one session's turns. */
export function createToolCalls(name: ToolCallFormatName) {
  /** Where `auto`: what the model wrote last. */
  let format: ToolCallFormat = name === 'auto' ? hermes : formats[name];
  const candidates = name === 'auto' ? Object.values(formats) : [format];
  return {
    read(said: string, tools: readonly unknown[]): { readonly text: string; readonly calls: readonly WrittenCall[] } {
      for (const candidate of candidates) {
        if (!candidate.isIn(said)) continue;
        const read = candidate.read(said, tools);
        // An answer in JSON may look like a call of Llama's.
        const isMeant = name !== 'auto' || candidate !== llamaJson || read.calls.every((call) => isNamed(call, tools));
        if (read.calls.length === 0 || !isMeant) continue;
        format = candidate;
        return read;
      }
      return { text: said, calls: [] };
    },
    /** A call in a conversation that the model reads, where its ids are not known. */
    write: (called: string, json: string) => format.write(called, json),
  };
}

export type ToolCalls = ReturnType<typeof createToolCalls>;

function isNamed({ name }: WrittenCall, tools: readonly unknown[]): boolean {
  return tools.some((tool) => {
    const { function: schema } = Object(tool) as { readonly function?: { readonly name?: unknown } };
    return schema?.name === name;
  });
}
