import { expect, test, vi } from 'vitest';
import { openChat, written } from './face-under-test.ts';
import { refusal } from './refusal.ts';

const user = { role: 'user', content: 'Who?' };
const tool = { type: 'function', function: { name: 'look', parameters: { type: 'object' } } };

test('P4: a call that continues no conversation of the session begins a branch, and the others go on where they were', async () => {
  const { turn, ask, session } = await openChat();
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
  const { ask, session } = await openChat();
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

test('a call may want several turns, no calls of tools, and the tokens that were sampled', async () => {
  const { session, ask } = await openChat({
    tokens: { count: async () => 0, decode: async (lists) => lists.map(String) },
  });
  const answer = ask([user], { tools: [tool], tool_choice: 'none', n: 2, logprobs: true, return_token_ids: true });
  const call = '<tool_call>{"name": "look", "arguments": {}}</tool_call>';
  for (const [index, text] of [call, 'She.'].entries()) {
    const { branch } = await session.asked();
    expect(branch).toBe(index === 0 ? '' : 'branch-1');
    const sampled = { prompt: [1, 2, 3], tokenIds: [7, 8], logprobs: [-1, -2] };
    session.answer(written(index, text, { sampled: () => sampled }));
  }
  const content = [7, 8].map((id, at) => ({ token: `${id}`, logprob: -1 - at, bytes: [48 + id], top_logprobs: [] }));
  expect((await answer).json).toMatchObject({
    choices: [
      { index: 0, message: { content: call }, finish_reason: 'stop', token_ids: [7, 8], logprobs: { content } },
      { index: 1, message: { content: 'She.' } },
    ],
    prompt_token_ids: [1, 2, 3],
    usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
  });
  expect(session.branches()).toMatchObject({ second_sample: 1 });
});

test('why a branch began is told in the answer, and counted', async () => {
  const { turn, session, baseUrl, key } = await openChat();
  await turn(0, [user], 'She.');
  const said = { role: 'assistant', content: 'She.' };
  const calls: [readonly object[], object, string][] = [
    [[{ ...user, content: 'Now?' }], {}, 'new_conversation; at=0'],
    [[user], { tools: [tool] }, 'changed_tools; at=1'],
    [[user, { ...said, content: 'He.' }, user], {}, 'changed_message; at=1'],
    [[user], {}, 'second_sample; at=1'],
  ];
  for (const [at, [messages, more, reason]] of calls.entries()) {
    const answer = fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'any', messages, ...more }),
    });
    await session.asked();
    session.answer(written(at + 1, 'Yes.'));
    const { headers } = await answer;
    expect(headers.get('gradus-branch-reason')).toBe(reason);
    expect(headers.get('gradus-conversation')).toBe(`branch-${at + 1}`);
  }
  expect(session.branches()).toEqual({ new_conversation: 1, changed_tools: 1, changed_message: 1, second_sample: 1 });
  // A thought that was left out, and an end of a line, begin none.
  const answer = await turn(5, [user, { role: 'assistant', content: 'She.\n' }, user], 'So.');
  expect(answer.asked).toEqual({ branch: '', following: [user] });
});

test('several turns are asked for all at once or not at all', async () => {
  const { ask, session } = await openChat();
  const asks = vi.spyOn(session, 'ask');
  // The model is asked the first one, and 60 wait.
  const waiting = Array.from({ length: 61 }, (_, at) => ask([{ role: 'user', content: `${at}` }]));
  await expect.poll(() => asks.mock.calls.length).toBe(61);
  expect((await ask([user], { n: 16 })).json).toMatchObject({
    error: { code: 'too_many_calls', message: expect.stringContaining('60 calls of this session wait') },
  });
  session.close(refusal('episode_over', 'the episode of this session is over'));
  await Promise.all(waiting);

  const other = await openChat();
  for (let at = 0; at < 30; at += 1) await other.turn(at, [{ role: 'user', content: `${at}` }], 'Yes.');
  const refused = { status: 400, json: { error: { code: 'too_many_branches', param: 'messages' } } };
  expect(await other.ask([user], { n: 3 })).toMatchObject(refused);
  expect(other.session.conversations()).toBe(30);
  // What continues a conversation begins one less.
  const more = [{ role: 'user', content: '0' }, { role: 'assistant', content: 'Yes.' }, user];
  const three = other.ask(more, { n: 3 });
  for (let at = 30; at < 33; at += 1) {
    await other.session.asked();
    other.session.answer(written(at, 'So.'));
  }
  expect(await three).toMatchObject({ status: 200 });
  expect(other.session.conversations()).toBe(32);
  expect(await other.ask([user], {})).toMatchObject(refused);
});

test('a client that calls the ids of calls otherwise goes on where it was', async () => {
  const { turn } = await openChat();
  const more = { tools: [tool] };
  const call = '<tool_call>{"name": "look", "arguments": {}}</tool_call>';
  await turn(0, [user], call, more);
  const called = (id: string) => [
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id, type: 'function', function: { name: 'look', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: id, content: 'she' },
  ];
  expect((await turn(1, [user, ...called('a')], call, more)).asked).toMatchObject({ branch: '' });
  expect((await turn(2, [user, ...called('b'), ...called('c')], 'She.', more)).asked).toEqual({
    branch: '',
    following: [{ role: 'tool', content: 'she' }],
  });
});

test('of conversations that are as near, the reason is that of one with the same tools', async () => {
  const { turn, session } = await openChat();
  await turn(0, [user], 'She.', { tools: [tool] });
  await turn(1, [user], 'She.');
  await turn(2, [user], 'He.');
  expect(session.branches()).toMatchObject({ changed_tools: 1, second_sample: 1 });
});
