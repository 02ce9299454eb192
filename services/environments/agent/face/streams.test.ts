/** How long answers take, and who is there to read them. */
import { expect, test } from 'vitest';
import { eventsOf, openChat, openFace, written } from './face-under-test.ts';
import { refusal } from './refusal.ts';

const user = { role: 'user', content: 'Who?' };
const requests: readonly (readonly [string, object])[] = [
  ['/chat/completions', { messages: [user] }],
  ['/completions', { prompt: 'Who?' }],
  ['/responses', { input: 'Who?' }],
  ['/messages', { messages: [user], max_tokens: 64 }],
];

/** Reads a stream until it has said this much, and gives all that it said. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, part: string): Promise<string> {
  let text = '';
  while (!text.includes(part)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  return text;
}

async function openStream(path: string, body: object) {
  const { session, baseUrl, key, post } = await openFace(path, { keepAliveMs: 5 });
  const left = new AbortController();
  const response = await fetch(`${baseUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'any', stream: true, ...body }),
    signal: left.signal,
  });
  if (response.body === null) throw new Error('there is no stream');
  return { session, post, left, response, reader: response.body.getReader() };
}

test.each(requests)(
  'a stream of %s that waits for the model shows signs of life, and then the turn',
  async (path, body) => {
    const { session, response, reader } = await openStream(path, body);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    await session.asked();
    expect(await readUntil(reader, '\n\n')).toMatch(/^: /);
    session.answer(written(0, 'She.'));
    const text = await readUntil(reader, '[never]');
    expect(JSON.stringify(eventsOf(text))).toContain('She.');
    // Its headers were sent before.
    expect(text).toMatch(/^: gradus-conversation: main$/m);
    await expect.poll(() => session.heard()?.text).toBe('She.');
  },
);

test.each(requests)(
  'what ends a stream of %s that has begun is its last event, in its own form',
  async (path, body) => {
    const { session, reader } = await openStream(path, body);
    await session.asked();
    await readUntil(reader, '\n\n');
    session.close(refusal('episode_over', 'the episode of this session is over'));
    const [event] = eventsOf(await readUntil(reader, '[never]'));
    const over = { message: 'the episode of this session is over' };
    expect(event).toMatchObject(
      path === '/responses' ? { type: 'error', ...over } : { error: { ...over, type: 'invalid_request_error' } },
    );
  },
);

test.each(requests)(
  'a turn of %s that a client leaves is given up, and the session lives: what is asked again is no branch',
  async (path, body) => {
    const { session, post, reader, left } = await openStream(path, body);
    const first = await session.asked();
    const { gone } = session.listener(first);
    await readUntil(reader, '\n\n');
    expect(gone.aborted).toBe(false);
    left.abort();
    await expect.poll(() => gone.aborted).toBe(true);
    expect([session.abandoned(), session.conversations()]).toEqual([1, 0]);
    const again = post({ model: 'any', stream: true, ...body });
    expect(await session.asked()).toEqual(first);
    session.answer(written(0, 'She.'));
    expect((await again).text).toContain('She.');
    await expect.poll(() => session.heard()?.text).toBe('She.');
    expect([session.abandoned(), session.conversations()]).toEqual([1, 1]);
  },
);

test('a branch whose first turn is given up has not begun', async () => {
  const { session, ask, turn } = await openChat();
  await turn(0, [user], 'She.');
  const left = new AbortController();
  const lost = ask([{ ...user, content: 'Where?' }], {}, { signal: left.signal });
  const asked = await session.asked();
  expect(asked.branch).toBe('branch-1');
  expect(session.branches()).toMatchObject({ new_conversation: 1 });
  left.abort();
  await expect(lost).rejects.toThrow();
  await expect.poll(() => session.listener(asked).gone.aborted).toBe(true);
  expect(session.branches()).toMatchObject({ new_conversation: 0 });
  const next = ask([{ ...user, content: 'When?' }]);
  expect((await session.asked()).branch).toBe('branch-1');
  session.answer(written(1, 'Then.'));
  expect(await next).toMatchObject({ status: 200 });
});
