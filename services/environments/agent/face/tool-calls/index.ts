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
      const reads = candidates
        .filter((candidate) => candidate.isIn(said))
        .map((candidate) => ({ candidate, ...candidate.read(said, tools) }))
        .filter(({ calls }) => calls.length > 0);
      // An argument may hold what another format takes for a call, and an answer in JSON may look like one of Llama's.
      const meant =
        reads.find(({ calls }) => calls.every((call) => isNamed(call, tools))) ??
        reads.find(({ candidate }) => name !== 'auto' || candidate !== llamaJson);
      if (meant === undefined) return { text: said, calls: [] };
      format = meant.candidate;
      return { text: meant.text, calls: meant.calls };
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
