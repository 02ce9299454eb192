import { request as httpRequest } from 'node:http';
import { expect, test, vi } from 'vitest';
import { openChat, written } from './face-under-test.ts';
import { refusal } from './refusal.ts';

const user = { role: 'user', content: 'Who?' };
const tool = { type: 'function', function: { name: 'look', parameters: { type: 'object' } } };
const toolOf = (parameters: object) => ({ tools: [{ type: 'function', function: { name: 'look', parameters } }] });

test('a conversation that grows is told by its new messages only, whatever way a client writes what the model said', async () => {
  const { turn } = await openChat();
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
  const { turn } = await openChat();
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
  const { ask, post } = await openChat();
  const refused: [object, string, string][] = [
    [{ n: 0 }, 'n', 'invalid_value'],
    [{ n: 17 }, 'n', 'invalid_value'],
    [{ logprobs: true, top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
    [{ tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
    [{ tool_choice: { type: 'function', function: { name: 'look' } } }, 'tool_choice', 'invalid_value'],
    [{ response_format: { type: 'json_object' } }, 'response_format', 'unsupported_value'],
    [{ response_format: { type: 'xml' } }, 'response_format.type', 'invalid_value'],
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
  const { session, ask } = await openChat({ sampling: 'ignored' });
  const answer = ask([user], { temperature: 0, max_tokens: 5, stop: ['x'], tool_choice: 'required', tools: [tool] });
  await session.asked();
  session.answer(written(0, 'It.'));
  expect(await answer).toMatchObject({ status: 200 });
  expect(await ask([user], { tool_choice: 'always' })).toMatchObject({ status: 400 });
});

test('a session belongs to its key, and is over with its episode', async () => {
  const { face, session, baseUrl, ask } = await openChat();
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

test('the key alone names the session, and each dialect takes it where its clients put it', async () => {
  const { session, baseUrl, key, face } = await openChat();
  const at = `${new URL(baseUrl).origin}/v1`;
  const post = async (path: string, body: object, headers: Record<string, string>) =>
    await fetch(`${at}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'any', ...body }),
    });
  const asked = { messages: [user], max_tokens: 64 };
  const answers = [
    post('/chat/completions', asked, { authorization: `Bearer ${key}` }),
    post('/messages', asked, { 'x-api-key': key }),
    post('/messages', asked, { authorization: `Bearer ${key}` }),
  ];
  for (let index = 0; index < answers.length; index += 1) {
    await session.asked();
    session.answer(written(index, 'It.'));
  }
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
  for (const headers of [{}, { 'x-api-key': 'gradus-0' }, { 'x-api-key': `${key}0` }] as Record<string, string>[])
    expect((await post('/messages', asked, headers)).status).toBe(401);
  face.forget(session);
  const gone = await post('/messages', asked, { 'x-api-key': key });
  expect(gone.status).toBe(401);
  expect(await gone.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
});

test('ten megabytes of messages are refused as longer than any context, in every dialect', async () => {
  const { session, post } = await openChat();
  const text = 'x'.repeat(10 * 2 ** 20);
  const messages = [{ role: 'user', content: text }];
  const sent: [string, object, string][] = [
    ['/chat/completions', { messages }, 'code'],
    ['/completions', { prompt: text }, 'code'],
    ['/responses', { input: text }, 'code'],
    ['/messages', { messages, max_tokens: 64 }, 'details'],
  ];
  for (const [path, body, field] of sent) {
    const { status, json } = await post({ model: 'any', ...body }, { path });
    const reason = field === 'code' ? 'context_length_exceeded' : { error_code: 'context_length_exceeded' };
    expect(json, path).toMatchObject({ error: { [field]: reason } });
    expect(status).toBe(400);
  }
  expect(session.overflown()).toBe(true);
});

test('an agent that lost its connection asks again and gets the turn that was written meanwhile', async () => {
  const { session, ask } = await openChat();
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
  const { session, ask } = await openChat();
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
  const { session, ask } = await openChat();
  const asks = vi.spyOn(session, 'ask');
  const waiting = Array.from({ length: 65 }, () => ask([user]));
  await expect.poll(() => asks.mock.calls.length).toBe(65);
  expect(await ask([user])).toMatchObject({ status: 400, json: { error: { code: 'too_many_calls' } } });
  session.close(refusal('episode_over', 'over'));
  await Promise.all(waiting);
});
