import { expect, test } from 'vitest';
import { createToolCalls, type ToolCallFormatName } from './index.ts';
import { readTurn } from './read-turn.ts';

const parameters = { type: 'object', properties: { what: { type: 'string' }, times: { type: 'integer' } } };
const tools = [{ type: 'function', function: { name: 'look', parameters } }];
const args = { what: 'a "word"\nor two', times: 2 };
const call = { name: 'look', arguments: args };

const written: Readonly<Record<Exclude<ToolCallFormatName, 'auto'>, string>> = {
  hermes: `<tool_call>\n${JSON.stringify({ name: 'look', arguments: args })}\n</tool_call>`,
  xml: `<tool>${JSON.stringify({ name: 'look', args })}</tool>`,
  qwen_xml:
    '<tool_call>\n<function=look>\n<parameter=what>\na "word"\nor two\n</parameter>\n<parameter=times>\n2\n</parameter>\n</function>\n</tool_call>',
  llama_json: JSON.stringify({ name: 'look', parameters: args }),
};

test.each(Object.entries(written))('a call of %s is read, and by what reads itself what it is', (name, text) => {
  // Names of the record.
  const format = name as keyof typeof written;
  const said = format === 'llama_json' ? text : `See.\n${text}`;
  for (const reader of [format, 'auto'] as const) {
    const read = createToolCalls(reader).read(said, tools);
    expect(read.calls, reader).toEqual([call]);
    expect(read.text.trim()).toBe(format === 'llama_json' ? '' : 'See.');
  }
  // What is written for another conversation is what would be read.
  const parts = createToolCalls(format).write('look', JSON.stringify(args));
  const again = createToolCalls(format).read(parts.map((part) => part.text).join(''), tools);
  expect(again.calls).toEqual([call]);
  for (const other of Object.keys(written).filter((one) => one !== name))
    expect(createToolCalls(other as typeof format).read(said, tools).calls, other).toEqual([]);
});

test("names of our own format lose the space that a small policy's tokenizer puts in front of them", () => {
  const { read } = createToolCalls('xml');
  const { calls } = read('<tool>{"name": " look", "args": {" what": " a word"}}</tool>', tools);
  expect(calls).toEqual([{ name: 'look', arguments: { what: ' a word' } }]);
});

test('several calls are read in their order, and what cannot be read stays text', () => {
  const { read } = createToolCalls('auto');
  expect(read(`${written.hermes} and ${written.hermes}`, tools)).toEqual({ text: ' and ', calls: [call, call] });
  expect(read(`${written.qwen_xml}\n${written.qwen_xml}`, tools).calls).toEqual([call, call]);
  expect(read(`<|python_tag|>${written.llama_json}; ${written.llama_json}`, tools).calls).toEqual([call, call]);
  for (const text of [
    '<tool_call>{broken</tool_call>',
    '<tool_call>{"name": 1}</tool_call>',
    '<tool>{"name": "look", "args": []}</tool>',
    '<function=></function>',
    '<function=look>text</function>',
    '<function=look><parameter=a</function>',
    // An answer that happens to be JSON.
    '{"name": "Halvard", "parameters": {}}',
    '{"name": "look"',
  ])
    expect(read(text, tools), text).toEqual({ text, calls: [] });
});

test('a call that the request has a tool for is meant, whatever its arguments look like; one of no tool is a call all the same', () => {
  const { read } = createToolCalls('auto');
  const holding = { what: '<function=foo></function>', times: 2 };
  const said = `<tool_call>${JSON.stringify({ name: 'look', arguments: holding })}</tool_call>`;
  expect(read(said, tools).calls).toEqual([{ name: 'look', arguments: holding }]);
  expect(read('<function=foo></function>', tools).calls).toEqual([{ name: 'foo', arguments: {} }]);
});

test('a value that the schema does not want as text is read as JSON, where it is that', () => {
  const { read } = createToolCalls('qwen_xml');
  const text = (value: string) => `<function=look><parameter=times>${value}</parameter></function>`;
  expect(read(text('7'), tools).calls).toEqual([{ name: 'look', arguments: { times: 7 } }]);
  expect(read(text('many'), tools).calls).toEqual([{ name: 'look', arguments: { times: 'many' } }]);
  expect(read(text('7'), []).calls).toEqual([{ name: 'look', arguments: { times: '7' } }]);
});

test('what the model wrote last is how calls are written for it, where nobody said how', () => {
  const calls = createToolCalls('auto');
  const first = () => calls.write('look', '{}')[0]?.text;
  expect(first()).toBe('\n<tool_call>\n');
  calls.read(written.xml, tools);
  expect(first()).toBe('\n<tool>\n');
});

test('a turn that may not call is text', () => {
  expect(readTurn(written.hermes, 0, createToolCalls('auto'), undefined)).toMatchObject({ calls: [] });
});

test('a turn of unclosed calls is read in linear time, and stays text', () => {
  const calls = createToolCalls('auto');
  for (const mark of [
    '<tool_call>',
    '<tool>',
    '<function=look>',
    '<function=a></function>x<parameter=',
    '{"a":',
    ';{',
  ]) {
    const text = `{${mark.repeat(100_000)}`;
    expect(readTurn(text, 0, calls, tools)).toMatchObject({ thought: '' });
  }
  expect(readTurn(`a ${'<tool_call></tool_call>'.repeat(50_000)}`, 0, calls, tools).calls).toEqual([]);
});
