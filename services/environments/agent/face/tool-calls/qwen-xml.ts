import { objectIn, readBetween, type ToolCallFormat, type WrittenCall } from './tool-call-format.ts';

/**
 * Of Qwen3-Coder:
 *
 *     <tool_call>
 *     <function=look>
 *     <parameter=what>
 *     the text itself
 *     </parameter>
 *     </function>
 *     </tool_call>
 */
export const qwenXml: ToolCallFormat = {
  isIn: (said) => said.includes('<function='),
  read(said, tools) {
    const { text, calls } = readBetween(said, '<function=', '</function>', (inner) => callOf(inner, tools));
    return { text: calls.length === 0 ? text : text.replaceAll(/<tool_call>\s*|<\/tool_call>/g, ''), calls };
  },
  write: (name, json) => [
    { text: '\n<tool_call>\n<function=', trusted: true },
    { text: name },
    { text: '>\n', trusted: true },
    ...Object.entries(objectIn(json) ?? {}).flatMap(([key, value]) => [
      { text: '<parameter=', trusted: true },
      { text: key },
      { text: '>\n', trusted: true },
      { text: typeof value === 'string' ? value : JSON.stringify(value) },
      { text: '\n</parameter>\n', trusted: true },
    ]),
    { text: '</function>\n</tool_call>', trusted: true },
  ],
};

function callOf(inner: string, tools: readonly unknown[]): WrittenCall | undefined {
  const head = inner.indexOf('>');
  const name = inner.slice(0, Math.max(head, 0)).trim();
  if (name === '') return undefined;
  const types = typesOf(name, tools);
  const args: [string, unknown][] = [];
  const [between = '', ...given] = inner.slice(head + 1).split('<parameter=');
  if (between.trim() !== '') return undefined;
  for (const part of given) {
    const end = part.indexOf('>');
    const close = part.lastIndexOf('</parameter>');
    if (end < 0 || (close >= 0 && close < end)) return undefined;
    const key = part.slice(0, end).trim();
    // Of the line breaks around a value none is its own.
    const value = part
      .slice(end + 1, close < 0 ? undefined : close)
      .replace(/^\r?\n/, '')
      .replace(/\r?\n$/, '');
    args.push([key, valueOf(value, types.get(key))]);
  }
  return { name, arguments: Object.fromEntries(args) };
}

/** A text is what was written, unless the schema wants something else and that can be read. */
function valueOf(written: string, type: unknown): unknown {
  if (type === undefined || type === 'string') return written;
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}

function typesOf(name: string, tools: readonly unknown[]): ReadonlyMap<string, unknown> {
  // Whatever is missing is undefined, and nothing else is read of it.
  const schemas = tools as readonly {
    readonly function?: {
      readonly name?: unknown;
      readonly parameters?: { readonly properties?: Readonly<Record<string, { readonly type?: unknown } | boolean>> };
    };
  }[];
  const found = schemas.find((one) => one.function?.name === name)?.function?.parameters?.properties ?? {};
  return new Map(Object.entries(found).map(([key, one]) => [key, typeof one === 'object' ? one.type : undefined]));
}
