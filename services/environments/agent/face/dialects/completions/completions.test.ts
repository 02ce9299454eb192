import { expect, test } from 'vitest';
import { TerminalError } from '#platform/errors.ts';
import { eventsOf, openFace } from '../../face-under-test.ts';

const path = '/completions';
const sampled = { prompt: [5, 6], tokenIds: [7, 8], logprobs: [-0.5, -1] };
const more = { sampled: () => sampled };
const tokens = {
  count: async () => 0,
  decode: async (lists: readonly (readonly number[])[]) => {
    if (lists.flat().includes(99)) throw new TerminalError('invalid_argument', 'token_ids[0] holds 99');
    return lists.map((ids) => ids.map((id) => `<${id}>`).join(''));
  },
};

test('P4: a sequence of ids is taken as it is, and goes on where it had ended', async () => {
  const { turn } = await openFace(path, { tokens });
  const first = await turn(0, { model: 'any', prompt: [5, 6], logprobs: 0 }, 'so.', more);
  expect(first.asked).toEqual({ branch: '', opening: { tokenIds: [5, 6] } });
  expect(first.json).toMatchObject({
    object: 'text_completion',
    choices: [
      {
        text: 'so.',
        finish_reason: 'stop',
        token_ids: [7, 8],
        prompt_token_ids: [5, 6],
        logprobs: { tokens: ['<7>', '<8>'], token_logprobs: [-0.5, -1], text_offset: [0, 3] },
      },
    ],
  });
  const second = await turn(1, { model: 'any', prompt: [[5, 6, 7, 8, 9]] }, 'on', more);
  expect(second.asked).toEqual({ branch: '', following: { tokenIds: [9] } });
  const other = await turn(2, { model: 'any', prompt: [5, 6, 1] }, 'on', more);
  expect(other.asked).toEqual({ branch: 'branch-1', opening: { tokenIds: [5, 6, 1] } });
});

test('P4: a text that goes on with what was written is read from there on', async () => {
  const { turn } = await openFace(path);
  const first = await turn(0, { model: 'any', prompt: 'One, ' }, 'two<|im_end|>');
  expect(first.asked).toEqual({ branch: '', opening: 'One, ' });
  expect(first.json).toMatchObject({ choices: [{ text: 'two', logprobs: null }] });
  expect((await turn(1, { model: 'any', prompt: 'One, two, ' }, 'three')).asked).toEqual({
    branch: '',
    following: ', ',
  });
  expect((await turn(2, { model: 'any', prompt: ['One, '] }, 'zwei')).asked).toEqual({
    branch: 'branch-1',
    opening: 'One, ',
  });
});

test('a stream gives the same turn', async () => {
  const { turn } = await openFace(path, { tokens });
  const asked = { model: 'any', prompt: [5, 6], stream: true, stream_options: { include_usage: true } };
  const events = eventsOf((await turn(0, asked, 'so.', more)).text);
  expect(events).toMatchObject([
    { choices: [{ text: 'so.', token_ids: [7, 8], finish_reason: null }] },
    { choices: [{ text: '', finish_reason: 'stop' }] },
    { choices: [], usage: { total_tokens: 5 } },
    '[DONE]',
  ]);
});

test("what is not served is refused by its name, in OpenAI's form", async () => {
  const { post } = await openFace(path, { tokens });
  const refused: readonly [object, string][] = [
    [{ prompt: '' }, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: ['a', 'b'] }, 'prompt'],
    [{ prompt: [1, -1] }, 'prompt[1]'],
    [{ prompt: [1, 99] }, 'prompt'],
    [{ echo: true }, 'echo'],
    [{ suffix: 'x' }, 'suffix'],
    [{ best_of: 2 }, 'best_of'],
    [{ logprobs: 3 }, 'logprobs'],
    [{ n: 0 }, 'n'],
  ];
  for (const [given, param] of refused) {
    const { status, json } = await post({ model: 'any', prompt: 'One', ...given });
    expect(json, JSON.stringify(given)).toMatchObject({ error: { code: 'invalid_value', param } });
    expect(status).toBe(400);
  }
});
