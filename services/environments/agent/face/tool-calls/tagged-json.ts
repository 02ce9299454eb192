import { callIn, readBetween, type ToolCallFormat, type WrittenCall } from './tool-call-format.ts';

/** JSON between tags: `<tag>{"name": …, <key>: {…}}</tag>`. */
function taggedJson(
  tag: string,
  key: string,
  meant: (call: WrittenCall) => WrittenCall = (call) => call,
): ToolCallFormat {
  const open = `<${tag}>`;
  const close = `</${tag}>`;
  return {
    isIn: (said) => said.includes(open),
    read: (said) =>
      readBetween(said, open, close, (inner) => {
        const call = callIn(inner, key);
        return call && meant(call);
      }),
    write: (name, json) => [
      { text: `\n${open}\n`, trusted: true },
      { text: `{"name": ${JSON.stringify(name)}, "${key}": ${json}}` },
      { text: `\n${close}`, trusted: true },
    ],
  };
}

/** Of Hermes, Qwen 2.5 and Qwen 3. */
export const hermes = taggedJson('tool_call', 'arguments');

/** Of Gradus' own search environment. Tokenizers of the nano kind put a space in front of a word after a tag. */
export const xml = taggedJson('tool', 'args', ({ name, arguments: args }) => ({
  name: name.trim(),
  arguments: Object.fromEntries(Object.entries(args).map(([key, value]) => [key.trim(), value])),
}));
