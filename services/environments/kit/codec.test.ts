import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codecNames, createCodec, neutralise, type ParsedTurn } from './codec.ts';

const xml = createCodec('xml');
const search = (query: string): string => xml.renderCall('websearch', { query });
const violation = (code: string): object => ({ kind: 'violation', code });

describe('the XML codec understands', () => {
  test('a call as the format writes it', () => {
    expect(search('Halvard Brontley')).toBe(
      '<tool>{"name": "websearch", "args": {"query": "Halvard Brontley"}}</tool>',
    );
    expect(xml.parse(search('x'))).toEqual({ kind: 'call', name: 'websearch', args: { query: 'x' } });
  });

  test('a call with the spaces that the nano tokenizer puts after its tags', () => {
    expect(xml.parse('<tool>{"name": " websearch", "args": {" query": " Halvard Brontley"}}</tool>')).toEqual({
      kind: 'call',
      name: 'websearch',
      args: { query: ' Halvard Brontley' },
    });
  });

  test('an answer, trimmed, with prose before it and an end marker after it', () => {
    expect(xml.parse('It is there.\n<answer> Kestrel Mordan </answer>\n<|end|>')).toEqual({
      kind: 'answer',
      text: 'Kestrel Mordan',
    });
    expect(xml.parse(xml.renderAnswer('a'))).toEqual({ kind: 'answer', text: 'a' });
  });
});

describe('tags within the JSON of a call are text', () => {
  const hermes = createCodec('hermes');
  const queries = [
    'what does </tool_call> end',
    '<tool_call>',
    '</tool> and <tool>',
    'an <answer>42</answer> in a query',
    '<think>hm</think>',
    '</think>',
    '<result> 42 </result>',
    '"</tool_call>" in quotes',
  ];
  test.each(queries)('%j', (query) => {
    for (const codec of [xml, hermes, createCodec('hermes', 'allowed'), createCodec('xml', 'stripped')]) {
      const written = `${codec.renderCall('websearch', { query })}<|im_end|>`;
      expect(codec.parse(written)).toEqual({ kind: 'call', name: 'websearch', args: { query } });
    }
  });

  test('and do not hide what stands next to the call', () => {
    const call = xml.renderCall('websearch', { query: '</tool>' });
    expect(xml.parse(`${call}${call}`)).toEqual(violation('two_actions'));
    expect(xml.parse(`<answer>x</answer>${call}`)).toEqual(violation('two_actions'));
    expect(xml.parse(`<think>hm</think>${call}`)).toEqual(violation('think'));
    expect(xml.parse(`${call} and then`)).toEqual(violation('two_actions'));
    expect(xml.parse('<tool>{"name": "websearch", "args": "</tool>"}</tool>')).toEqual(violation('bad_arguments'));
    expect(createCodec('xml', 'allowed').parse(`<think></tool></think>${call}`)).toMatchObject({ kind: 'call' });
  });
});

describe('the XML codec names what is wrong with', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['nothing', '', 'no_action'],
    ['prose', 'The answer is 42.', 'no_action'],
    ['an end marker alone', '<|end|>', 'no_action'],
    ['an unclosed call', search('x').replace('</tool>', '<|end|>'), 'broken_xml'],
    ['an unopened call', '{"name": "websearch", "args": {"query": "x"}}</tool>', 'broken_xml'],
    ['an unclosed answer', '<answer> 42', 'broken_xml'],
    ['tags the wrong way round', '</answer>42<answer>', 'broken_xml'],
    ['text after the action', `${search('x')} and then`, 'broken_xml'],
    ['an invented result', `${search('x').replace('</tool>', '')}<result> 42 </result></tool>`, 'broken_xml'],
    ['two calls', search('x') + search('y'), 'two_actions'],
    ['two openings before one end', search('x').replace('</tool>', '') + search('y'), 'two_actions'],
    ['a call and an answer', `${search('x')}<answer>y</answer>`, 'two_actions'],
    ['an answer within a call', '<tool><answer>x</answer></tool>', 'two_actions'],
    ['two answers', '<answer>1990</answer><answer>1991</answer>', 'many_answers'],
    ['nested answers', '<answer><answer>x</answer></answer>', 'many_answers'],
    ['thinking', '<think>hm</think><answer>x</answer>', 'think'],
    ['a thought that never ends', `<think>${'hm '.repeat(1000)}`, 'think'],
    ['an empty answer', '<answer>  </answer>', 'empty_answer'],
    ['a call without JSON', '<tool>websearch</tool>', 'broken_json'],
    ['an empty call', '<tool></tool>', 'broken_json'],
    ['a missing brace', '<tool>{"name": "websearch", "args": {"query": "x"}</tool>', 'broken_json'],
    ['a list', '<tool>[1]</tool>', 'broken_json'],
    ['null', '<tool>null</tool>', 'broken_json'],
    ['a call without args', '<tool>{"name": "websearch"}</tool>', 'bad_arguments'],
    ['args that are text', '<tool>{"name": "websearch", "args": "x"}</tool>', 'bad_arguments'],
    ['a name that is a number', '<tool>{"name": 1, "args": {}}</tool>', 'bad_arguments'],
    ['a key too many', '<tool>{"name": "websearch", "args": {}, "think": 1}</tool>', 'bad_arguments'],
    ['the other codec', '<tool>{"name": "websearch", "arguments": {"query": "x"}}</tool>', 'bad_arguments'],
  ];
  test.each(cases)('%s', (_, text, code) => expect(xml.parse(text)).toEqual(violation(code)));

  test('a call with a million brackets, in linear time and without an overflow', () => {
    expect(xml.parse(`<tool>${'['.repeat(1_000_000)}</tool>`)).toEqual(violation('broken_json'));
    expect(xml.parse(`<tool>{"name": "a", "args": ${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}</tool>`).kind).not.toBe(
      'answer',
    );
  });

  test('megabytes of anything', () => {
    expect(xml.parse('la '.repeat(1_000_000))).toEqual(violation('no_action'));
    expect(xml.parse('<tool>'.repeat(300_000))).toEqual(violation('two_actions'));
    expect(xml.parse(`<answer>${'x'.repeat(5_000_000)}`)).toEqual(violation('broken_xml'));
  });
});

const piece = fc.constantFrom(
  '<tool>',
  '</tool>',
  '<answer>',
  '</answer>',
  '<result>',
  '</result>',
  '<think>',
  '</think>',
  '<tool_call>',
  '</tool_call>',
  '{"name": "',
  '", "args": {"',
  '": "',
  '"}}',
  'websearch',
  'query',
  ' ',
  '\n',
  '\\',
  '"',
  '{',
  '}',
  '[',
  '<|end|>',
  '\u0000',
  '\ud800',
  'é',
  '__proto__',
);
const turnText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.oneof(piece, fc.string({ maxLength: 4 })), { maxLength: 30 }).map((parts) => parts.join('')),
);

describe.each(codecNames)('the %s codec', (name) => {
  const codec = createCodec(name);

  test('gives a value for any text, never an exception', () => {
    fc.assert(
      fc.property(turnText, (text) => {
        const parsed: ParsedTurn = codec.parse(text);
        expect(['call', 'answer', 'violation']).toContain(parsed.kind);
        if (parsed.kind === 'answer') expect(parsed.text.trim()).not.toBe('');
      }),
      { numRuns: 3000 },
    );
  });

  test('reads back any call and answer that it writes', () => {
    const plain = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replace(/[<>]/g, '').trim());
    fc.assert(
      fc.property(plain, plain, (tool, value) => {
        expect(codec.parse(codec.renderCall(tool, { query: value }))).toEqual({
          kind: 'call',
          name: tool,
          args: { query: value },
        });
        if (value !== '') expect(codec.parse(codec.renderAnswer(value))).toEqual({ kind: 'answer', text: value });
      }),
    );
  });

  test('lets no text of a document act as a tag or a special token', () => {
    fc.assert(
      fc.property(turnText, (text) => {
        const inner = neutralise(text);
        expect(inner).not.toMatch(/<\/?(tool|tool_call|answer|result|tool_response|think)>|<\|/);
        expect(codec.renderResult(text).match(/<\/?(result|tool_response)>/g)).toHaveLength(2);
      }),
    );
  });

  test('stops at the ends of its actions', () => {
    for (const stop of codec.stop) expect(codec.renderCall('a', {}) + codec.renderAnswer('b')).toContain(stop);
    expect(codec.stop).toHaveLength(2);
  });
});

test('keys that differ in white space only are no call with a chosen winner', () => {
  expect(xml.parse('<tool>{"name": "a", "args": {"query": "x", " query": "y"}}</tool>')).toEqual(
    violation('bad_arguments'),
  );
});

test('the hermes codec calls by name and arguments', () => {
  const hermes = createCodec('hermes');
  expect(hermes.renderCall('scrape', { id: '1' })).toBe(
    '<tool_call>{"name": "scrape", "arguments": {"id": "1"}}</tool_call>',
  );
  expect(hermes.renderResult('x')).toBe('<tool_response> x </tool_response>');
});
