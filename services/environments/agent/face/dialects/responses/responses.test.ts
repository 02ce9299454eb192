import { expect, test } from 'vitest';
import { eventsOf, openFace } from '../../face-under-test.ts';

const path = '/responses';
const base = { model: 'any', instructions: 'Be brief.' };
const tools = [{ type: 'function', name: 'look', parameters: { type: 'object' }, strict: true }];
const written = '<think>Hm.</think>See. <tool_call>{"name": "look", "arguments": {"a": 1}}</tool_call>';
const found = { type: 'function_call_output', call_id: 'call_0_0', output: 'she' };
const system = { role: 'system', content: 'Be brief.' };

test('P4: a conversation goes on, whether its items come back or the id of the last response does', async () => {
  const { turn, session } = await openFace(path);
  const first = await turn(0, { ...base, input: 'Who?', tools }, written);
  expect(first.asked).toEqual({
    branch: '',
    opening: {
      messages: [system, { role: 'user', content: 'Who?' }],
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
      thinking: false,
    },
  });
  const id = `resp_${session.id}-0`;
  expect(first.json).toMatchObject({
    id,
    object: 'response',
    status: 'completed',
    output: [
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'Hm.' }] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'See.' }] },
      { type: 'function_call', call_id: 'call_0_0', name: 'look', arguments: '{"a":1}' },
    ],
    usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
  });
  // The items of the answer as they are.
  const { output } = first.json as { readonly output: readonly object[] };
  const items = [{ role: 'user', content: [{ type: 'input_text', text: 'Who?' }] }, ...output, found];
  const second = await turn(1, { ...base, input: items, tools }, 'She.');
  expect(second.asked).toEqual({ branch: '', following: [{ role: 'tool', content: 'she' }] });
  const third = await turn(2, { ...base, previous_response_id: `resp_${session.id}-1`, input: 'Sure?', tools }, 'Yes.');
  expect(third.asked).toEqual({ branch: '', following: [{ role: 'user', content: 'Sure?' }] });
  // A turn in between, answered otherwise: its own turn stays the ids that it is.
  const fork = await turn(3, { ...base, previous_response_id: id, input: [{ ...found, output: 'he' }], tools }, 'He.');
  expect(fork.asked).toEqual({
    branch: 'branch-1',
    following: [{ role: 'tool', content: 'he' }],
    fork: { role: '', turns: 1 },
  });
});

test('a stream adds, fills and ends each item', async () => {
  const { turn } = await openFace(path);
  const { text } = await turn(0, { ...base, input: 'Who?', tools, stream: true }, written);
  expect(text.startsWith('event: response.created\ndata: ')).toBe(true);
  const events = eventsOf(text) as readonly { readonly type: string; readonly sequence_number: number }[];
  const part = (kind: string) => [
    'content_part.added',
    `${kind}.delta`,
    `${kind}.done`,
    'content_part.done',
    'output_item.done',
  ];
  expect(events.map(({ type }) => type.slice('response.'.length))).toEqual([
    'created',
    'in_progress',
    'output_item.added',
    ...part('reasoning_text'),
    'output_item.added',
    ...part('output_text'),
    'output_item.added',
    'function_call_arguments.delta',
    'function_call_arguments.done',
    'output_item.done',
    'completed',
  ]);
  expect(events.map(({ sequence_number: at }) => at)).toEqual(events.map((_, at) => at));
});

test('a turn that a limit cut is incomplete', async () => {
  const { turn } = await openFace(path);
  expect((await turn(0, { ...base, input: 'Who?' }, 'It is', { cutBy: 'turn' })).json).toMatchObject({
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
    output: [{ type: 'message', status: 'incomplete' }],
  });
});

test("what is not served is refused by its name, in OpenAI's form", async () => {
  const { post } = await openFace(path, { maxNewTokens: 64 });
  const refused: readonly [object, string, string][] = [
    [{ temperature: 0.2 }, 'temperature', 'unsupported_parameter'],
    [{ reasoning: { effort: 'high' } }, 'reasoning', 'unsupported_parameter'],
    [{ max_output_tokens: 5 }, 'max_output_tokens', 'unsupported_value'],
    [{ conversation: 'c' }, 'conversation', 'unsupported_parameter'],
    [{ background: true }, 'background', 'invalid_value'],
    [{ truncation: 'auto' }, 'truncation', 'invalid_value'],
    [{ include: ['file_search_call.results'] }, 'include[0]', 'invalid_value'],
    [{ text: { format: { type: 'json_object' } } }, 'text.format', 'unsupported_value'],
    [{ text: { format: { type: 'xml' } } }, 'text.format.type', 'invalid_value'],
    [{ tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type', 'invalid_value'],
    [{ tools: [{ ...tools[0], parameters: { type: 'text' } }] }, 'tools[0].parameters.type', 'invalid_value'],
    [{ previous_response_id: 'resp_other-1' }, 'previous_response_id', 'previous_response_not_found'],
    [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0]', 'invalid_value'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] }, 'input[0]', 'invalid_value'],
    [{ input: [{ role: 'assistant', content: 'It' }] }, 'input[0]', 'unsupported_value'],
    [{ input: 'x'.repeat(500_001) }, 'input', 'context_length_exceeded'],
  ];
  for (const [more, param, code] of refused) {
    const { status, json } = await post({ ...base, input: 'Who?', ...more });
    expect(json, param).toMatchObject({ error: { type: 'invalid_request_error', code, param } });
    expect(status).toBe(400);
  }
});
