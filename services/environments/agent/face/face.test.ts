import { request as httpRequest } from 'node:http';
import { expect, test, vi } from 'vitest';
import { openFace, written, type AskOptions, type FaceUnderTest } from './face-under-test.ts';
import { refusal } from './refusal.ts';

const user = { role: 'user', content: 'Who?' };
const tool = { type: 'function', function: { name: 'look', parameters: { type: 'object' } } };
const toolOf = (parameters: object) => ({ tools: [{ type: 'function', function: { name: 'look', parameters } }] });

async function open(options: FaceUnderTest = {}) {
  const opened = await openFace('/chat/completions', { maxNewTokens: 64, ...options });
  const ask = (messages: readonly object[], more: object = {}, how: AskOptions = {}) =>
    opened.post({ model: 'any', messages, ...more }, how);
  const turn = (index: number, messages: readonly object[], text: string, more: object = {}) =>
    opened.turn(index, { model: 'any', messages, ...more }, text);
  return { ...opened, ask, turn };
}

test('a conversation that grows is told by its new messages only, whatever way a client writes what the model said', async () => {
  const { turn } = await open();
  const call = '<tool_call>{"name": "look", "arguments": {"a": 1, "b": [2]}}</tool_call>';
  const first = await turn(0, [user], `<think>Hm.</think>See. ${call}${call}<|im_end|>`, { tools: [tool] });
  expect(first.asked).toEqual({
    branch: '',
    opening: { messages: [{ role: 'user', content: 'Who?' }], tools: [tool], thinking: false },
  });
  const calls = ['call_0_0', 'call_0_1'].map((id) => ({
    id,
    type: 'function',
    function: { name: 'look', arguments: '{"a":1,"b":[2]}' },
  }));
  expect(first.json).toMatchObject({
    object: 'chat.completion',
    model: 'any',
    choices: [
      {
        message: { role: 'assistant', content: 'See.', reasoning_content: 'Hm.', tool_calls: calls },
        finish_reason: 'tool_calls',
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
  const respelled = calls.map((one) => ({ ...one, function: { name: 'look', arguments: '{"b": [2], "a": 1}' } }));
  const parts = [{ type: 'text', text: ' See.' }];
  const results = ['one', 'two'].map((content, at) => ({ role: 'tool', tool_call_id: `call_0_${at}`, content }));
  const history = [user, { role: 'assistant', content: parts, tool_calls: respelled }, ...results];
  const second = await turn(1, history, 'It is <tool_call>{broken</tool_call>', { tools: [tool] });
  expect(second.asked).toEqual({ branch: '', following: ['one', 'two'].map((content) => ({ role: 'tool', content })) });
  expect(second.json).toMatchObject({
    choices: [{ message: { content: 'It is <tool_call>{broken</tool_call>' }, finish_reason: 'stop' }],
  });
});

test('a stream tells the same turn as events', async () => {
  const { turn } = await open();
  const text = 'Well. <tool_call>{"name": "look", "arguments": {}}</tool_call>';
  const more = { tools: [tool], stream: true, stream_options: { include_usage: true } };
  const events = (await turn(0, [user], text, more)).text.trim().split('\n\n');
  expect(events.at(-1)).toBe('data: [DONE]');
  const [first, last, usage] = events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)) as object);
  expect(first).toMatchObject({
    object: 'chat.completion.chunk',
    choices: [{ delta: { role: 'assistant', content: 'Well.', tool_calls: [{ index: 0, id: 'call_0_0' }] } }],
  });
  expect(last).toMatchObject({ choices: [{ delta: {}, finish_reason: 'tool_calls' }] });
  expect(usage).toMatchObject({ choices: [], usage: { total_tokens: 5 } });
});

test('P9: what is not served is refused by the name of the parameter, never ignored', async () => {
  const { ask, post } = await open();
  const refused: [object, string, string][] = [
    [{ n: 0 }, 'n', 'invalid_value'],
    [{ n: 17 }, 'n', 'invalid_value'],
    [{ logprobs: true, top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
    [{ tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
    [{ tool_choice: { type: 'function', function: { name: 'look' } } }, 'tool_choice', 'invalid_value'],
    [{ response_format: { type: 'json_object' } }, 'response_format.type', 'invalid_value'],
    [{ temperature: 0.2 }, 'temperature', 'unsupported_parameter'],
    [{ max_tokens: 5 }, 'max_tokens', 'unsupported_value'],
    [{ functions: [] }, 'functions', 'unsupported_parameter'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].function', 'invalid_value'],
    [toolOf({ type: 'objekt' }), 'tools[0].function.parameters.type', 'invalid_value'],
    [toolOf({ properties: { a: 'text' } }), 'tools[0].function.parameters.properties.a', 'invalid_value'],
    [toolOf({ anyOf: [{ required: 'a' }] }), 'tools[0].function.parameters.anyOf[0].required', 'invalid_value'],
    [{ messages: [] }, 'messages', 'invalid_value'],
    [{ messages: [{ role: 'robot', content: '' }] }, 'messages[0].role', 'invalid_value'],
    [{ messages: [user, { role: 'assistant', content: 'It' }] }, 'messages[1]', 'unsupported_value'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content[0].type',
      'invalid_value',
    ],
    [{ messages: [{ role: 'user', content: 'x'.repeat(500_001) }] }, 'messages', 'context_length_exceeded'],
  ];
  for (const [more, param, code] of refused) {
    const { status, json } = await ask([user], more);
    expect(json, param).toMatchObject({ error: { type: 'invalid_request_error', code, param } });
    expect(status).toBe(400);
  }
  expect(await post('{"model"')).toMatchObject({ status: 400, json: { error: { type: 'invalid_request_error' } } });
  expect(await post(`${'['.repeat(65)}${']'.repeat(65)}`)).toMatchObject({ status: 400 });
  expect(await post(`"${'x'.repeat(17 * 2 ** 20)}"`)).toMatchObject({ status: 413 });
  expect(await post({}, { path: '/embeddings' })).toMatchObject({
    status: 404,
    json: { error: { code: 'unknown_url' } },
  });
});

test('sampling parameters and a choice that forces a call are taken where the recipe says that they are ignored', async () => {
  const { session, ask } = await open({ sampling: 'ignored' });
  const answer = ask([user], { temperature: 0, max_tokens: 5, stop: ['x'], tool_choice: 'required', tools: [tool] });
  await session.asked();
  session.answer(written(0, 'It.'));
  expect(await answer).toMatchObject({ status: 200 });
  expect(await ask([user], { tool_choice: 'always' })).toMatchObject({ status: 400 });
});

test('P4: a call that continues no conversation of the session begins a branch, and the others go on where they were', async () => {
  const { turn, ask, session } = await open();
  const more = { tools: [tool] };
  const first = await turn(0, [user], '<tool_call>{"name": "look", "arguments": {"a": 1}}</tool_call>', more);
  const [{ message: said }] = (first.json as { choices: [{ message: object }] }).choices;
  const found = { role: 'tool', tool_call_id: 'call_0_0', content: 'she' };
  const next = { role: 'user', content: 'Sure?' };
  // A second sample of the first turn, another prompt, other tools, and what was said in other words.
  const branches: [readonly object[], object][] = [
    [[user], more],
    [[{ ...user, content: 'Whom?' }], more],
    [[user, said, found], {}],
    [[user, { role: 'assistant', content: 'I looked.' }, next], more],
  ];
  for (const [at, [messages, given]] of branches.entries()) {
    const { asked } = await turn(at + 1, messages, 'It is she.', given);
    expect(asked).toMatchObject({ branch: `branch-${at + 1}`, opening: { tools: (given as typeof more).tools ?? [] } });
  }
  expect((await turn(5, [user, said, found], 'So.', more)).asked).toEqual({
    branch: '',
    following: [{ role: 'tool', content: 'she' }],
  });
  const longest = [{ ...user, content: 'Whom?' }, { role: 'assistant', content: 'It is she.' }, next];
  expect((await turn(6, longest, 'So.', more)).asked).toMatchObject({ branch: 'branch-2' });
  // What the model wrote in another conversation is written as it writes it.
  expect((await turn(7, [{ ...user, content: 'Now?' }, said, found], 'So.', more)).asked).toMatchObject({
    opening: {
      messages: [
        { role: 'user', content: 'Now?' },
        {
          role: 'assistant',
          content: [
            { text: '' },
            { text: '\n<tool_call>\n', trusted: true },
            { text: '{"name": "look", "arguments": {"a":1}}' },
            { text: '\n</tool_call>', trusted: true },
          ],
        },
        { role: 'tool', content: 'she' },
      ],
    },
  });
  for (let at = session.conversations(); at < 32; at += 1) await turn(8, [{ role: 'user', content: `${at}` }], 'Yes.');
  expect(await ask([{ role: 'user', content: 'More' }])).toMatchObject({
    status: 400,
    json: { error: { code: 'too_many_branches', param: 'messages' } },
  });
});

test('calls that come at once are asked one after the other, each in a conversation of its own', async () => {
  const { ask, session } = await open();
  const answers = Promise.all([ask([user]), ask([user]), ask([user])]);
  const branches: string[] = [];
  for (let at = 0; at < 3; at += 1) {
    branches.push((await session.asked()).branch);
    session.answer(written(at, `It ${at}.`));
  }
  expect(branches).toEqual(['', 'branch-1', 'branch-2']);
  const texts = (await answers).map(
    ({ json }) => (json as { choices: [{ message: { content: string } }] }).choices[0].message.content,
  );
  expect(texts.toSorted()).toEqual(['It 0.', 'It 1.', 'It 2.']);
});

test('a session belongs to its key, and is over with its episode', async () => {
  const { face, session, baseUrl, ask } = await open();
  expect(await ask([user], {}, { key: 'gradus-' + '\u00e9'.repeat(32) })).toMatchObject({ status: 401 });
  expect(await ask([user], {}, { key: 'gradus-0' })).toMatchObject({
    status: 401,
    json: { error: { code: 'invalid_api_key' } },
  });
  const other = face.open();
  expect(await ask([user], {}, { key: other.key })).toMatchObject({ status: 401 });
  const waiting = ask([user]);
  await session.asked();
  session.close(refusal('episode_over', 'the episode of this session is over'));
  expect(await waiting).toMatchObject({ status: 400, json: { error: { code: 'episode_over' } } });
  expect(await ask([user])).toMatchObject({ status: 400, json: { error: { code: 'episode_over' } } });
  face.forget(session);
  expect(await ask([user])).toMatchObject({ status: 404, json: { error: { code: 'unknown_session' } } });
  const models = await fetch(`${other.baseUrl}/models`, { headers: { authorization: `Bearer ${other.key}` } });
  expect(await models.json()).toMatchObject({ data: [{ id: 'policy' }] });
  // The name that a page of a browser has bound to this address.
  const status = await new Promise((done) => {
    httpRequest(`${baseUrl}/models`, { headers: { host: 'evil.example' } }, (response) =>
      done(response.statusCode),
    ).end();
  });
  expect(status).toBe(403);
});

test('an agent that lost its connection asks again and gets the turn that was written meanwhile', async () => {
  const { session, ask } = await open();
  const asks = vi.spyOn(session, 'ask');
  const lost = new AbortController();
  const first = ask([user], {}, { signal: lost.signal });
  await session.asked();
  lost.abort();
  await expect(first).rejects.toThrow();
  const again = ask([user]);
  await expect.poll(() => asks.mock.calls.length).toBe(2);
  session.answer(written(0, 'It.'));
  expect(await again).toMatchObject({ json: { choices: [{ message: { content: 'It.' } }] } });
});

test('a call whose asker has left is not asked of the model, and what reached the agent last is remembered', async () => {
  const { session, ask } = await open();
  const asks = vi.spyOn(session, 'ask');
  const first = ask([user]);
  const left = new AbortController();
  const second = ask([{ ...user, content: 'And?' }], {}, { signal: left.signal });
  await expect.poll(() => asks.mock.calls.length).toBe(2);
  left.abort();
  await expect(second).rejects.toThrow();
  await expect.poll(() => asks.mock.calls.map(([, connection]) => connection.lost)).toContain(true);
  await session.asked();
  session.answer(written(0, 'It.'));
  await first;
  await expect.poll(() => session.heard()?.text).toBe('It.');
  expect(session.conversations()).toBe(1);
});

test('P6: a session holds so many calls that wait, and no more', async () => {
  const { session, ask } = await open();
  const asks = vi.spyOn(session, 'ask');
  const waiting = Array.from({ length: 65 }, () => ask([user]));
  await expect.poll(() => asks.mock.calls.length).toBe(65);
  expect(await ask([user])).toMatchObject({ status: 400, json: { error: { code: 'too_many_calls' } } });
  session.close(refusal('episode_over', 'over'));
  await Promise.all(waiting);
});
