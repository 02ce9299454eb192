import { expect, test } from 'vitest';
import { eventsOf, openFace } from '../../face-under-test.ts';

const path = '/messages';
const user = { role: 'user', content: 'Who?' };
const base = { model: 'any', max_tokens: 64 };
const tool = { name: 'look', description: 'Looks.', input_schema: { type: 'object' } };
const written = '<think>Hm.</think>See. <tool_call>{"name": "look", "arguments": {"a": 1}}</tool_call>';
const spoken = [
  { type: 'thinking', thinking: 'Hm.', signature: '' },
  { type: 'text', text: 'See.', citations: null },
  { type: 'tool_use', id: 'call_0_0', name: 'look', input: { a: 1 } },
];

test('P4: a conversation goes on with what tools said, whether the thought of a turn comes back or not', async () => {
  const { turn } = await openFace(path);
  const first = await turn(0, { ...base, system: 'Be brief.', messages: [user], tools: [tool] }, written);
  expect(first.asked).toEqual({
    branch: '',
    opening: {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Who?' },
      ],
      tools: [{ type: 'function', function: { name: 'look', description: 'Looks.', parameters: { type: 'object' } } }],
      thinking: false,
    },
  });
  expect(first.json).toMatchObject({
    type: 'message',
    role: 'assistant',
    model: 'any',
    content: spoken,
    stop_reason: 'tool_use',
    stop_sequence: null,
    usage: { input_tokens: 3, output_tokens: 2 },
  });
  const found = [
    { type: 'tool_result', tool_use_id: 'call_0_0', content: [{ type: 'text', text: 'she' }] },
    { type: 'text', text: 'Sure?', cache_control: { type: 'ephemeral' } },
  ];
  const system = [{ type: 'text', text: 'Be brief.' }];
  const said = { role: 'assistant', content: spoken.slice(1) };
  const next = { ...base, system, messages: [user, said, { role: 'user', content: found }], tools: [tool] };
  const second = await turn(1, next, 'She.');
  expect(second.asked).toEqual({
    branch: '',
    following: [
      { role: 'tool', content: 'she' },
      { role: 'user', content: 'Sure?' },
    ],
  });
  expect(second.json).toMatchObject({ content: [{ type: 'text', text: 'She.' }], stop_reason: 'end_turn' });
});

test('a stream gives the same turn as the events that clients put together', async () => {
  const { turn } = await openFace(path);
  const { text } = await turn(0, { ...base, messages: [user], tools: [tool], stream: true }, written);
  expect(text.startsWith('event: message_start\ndata: {"type":"message_start"')).toBe(true);
  const block = (index: number, begin: object, ...deltas: object[]) => [
    { type: 'content_block_start', index, content_block: begin },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
  expect(eventsOf(text)).toMatchObject([
    { type: 'message_start', message: { content: [], stop_reason: null, usage: { input_tokens: 3 } } },
    ...block(
      0,
      { type: 'thinking', thinking: '' },
      { type: 'thinking_delta', thinking: 'Hm.' },
      { type: 'signature_delta', signature: '' },
    ),
    ...block(1, { type: 'text', text: '' }, { type: 'text_delta', text: 'See.' }),
    ...block(
      2,
      { type: 'tool_use', id: 'call_0_0', name: 'look', input: {} },
      { type: 'input_json_delta', partial_json: '{"a":1}' },
    ),
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 2 } },
    { type: 'message_stop' },
  ]);
});

test("what is not served is refused by its name, in Anthropic's form", async () => {
  const { post, baseUrl, key } = await openFace(path);
  const refused: readonly [object, string, string][] = [
    [{ temperature: 0.2 }, 'temperature', 'unsupported_parameter'],
    [{ stop_sequences: ['x'] }, 'stop_sequences', 'unsupported_parameter'],
    [{ max_tokens: 0 }, 'max_tokens', 'invalid_value'],
    [{ max_tokens: undefined }, 'max_tokens', 'invalid_value'],
    [{ mcp_servers: [] }, 'mcp_servers', 'unsupported_parameter'],
    [{ container: 'c' }, 'container', 'unsupported_parameter'],
    [{ thinking: { type: 'enabled', budget_tokens: 1024 } }, 'thinking.type', 'unsupported_value'],
    [{ tool_choice: { type: 'any' } }, 'tool_choice', 'invalid_value'],
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'tools[0].type', 'invalid_value'],
    [{ tools: [{ name: 'look' }] }, 'tools[0].input_schema', 'invalid_value'],
    [{ messages: [user, { role: 'assistant', content: 'It' }] }, 'messages[1]', 'unsupported_value'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] },
      'messages[0].content[0].type',
      'invalid_value',
    ],
    [{ messages: [{ role: 'user', content: 'x'.repeat(500_001) }] }, 'messages', 'context_length_exceeded'],
  ];
  for (const [more, param, code] of refused) {
    const { status, json } = await post({ ...base, messages: [user], ...more });
    expect(json, param).toMatchObject({
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: expect.stringContaining(param) as unknown,
        details: { error_code: code },
      },
    });
    expect(status).toBe(400);
  }
  expect(await post('{"model"')).toMatchObject({ status: 400, json: { error: { type: 'invalid_request_error' } } });
  expect(await post({}, { key: 'gradus-0' })).toMatchObject({
    status: 401,
    json: { type: 'error', error: { type: 'authentication_error' } },
  });
  expect(await post({}, { path: '/complete', headers: { 'anthropic-version': '2023-06-01' } })).toMatchObject({
    status: 404,
    json: { type: 'error', error: { type: 'not_found_error' } },
  });
  const headers = { 'x-api-key': key, 'anthropic-version': '2023-06-01' };
  // The key alone names the session.
  const models = await fetch(`${new URL(baseUrl).origin}/v1/models`, { headers });
  expect(await models.json()).toMatchObject({ data: [{ type: 'model', id: 'policy' }], has_more: false });
});
