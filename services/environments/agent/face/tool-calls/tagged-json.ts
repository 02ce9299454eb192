import { callIn, readBetween, type ToolCallFormat } from './tool-call-format.ts';

/** JSON between tags: `<tag>{"name": …, <key>: {…}}</tag>`. */
function taggedJson(tag: string, key: string): ToolCallFormat {
  const open = `<${tag}>`;
  const close = `</${tag}>`;
  return {
    isIn: (said) => said.includes(open),
    read: (said) => readBetween(said, open, close, (inner) => callIn(inner, key)),
    write: (name, json) => [
      { text: `\n${open}\n`, trusted: true },
      { text: `{"name": ${JSON.stringify(name)}, "${key}": ${json}}` },
      { text: `\n${close}`, trusted: true },
    ],
  };
}

/** Of Hermes, Qwen 2.5 and Qwen 3. */
export const hermes = taggedJson('tool_call', 'arguments');

/** Of Gradus' own search environment. */
export const xml = taggedJson('tool', 'args');
