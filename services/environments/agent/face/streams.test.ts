/** How long answers take, and who is there to read them. */
import { expect, test, vi } from 'vitest';
import { eventsOf, openFace, written } from './face-under-test.ts';
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
  const asks = vi.spyOn(session, 'ask');
  const left = new AbortController();
  const response = await fetch(`${baseUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'any', stream: true, ...body }),
    signal: left.signal,
  });
  if (response.body === null) throw new Error('there is no stream');
  return { session, asks, post, left, response, reader: response.body.getReader() };
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

test('a client that leaves a stream before its turn does not have it: it asks again and gets it, and the session lives', async () => {
  const body = { messages: [user] };
  const { session, asks, post, reader, left } = await openStream('/chat/completions', body);
  await session.asked();
  await readUntil(reader, '\n\n');
  left.abort();
  await expect.poll(() => asks.mock.calls[0]?.[1].lost).toBe(true);
  session.answer(written(0, 'She.'));
  expect(session.heard()).toBeUndefined();
  const again = await post({ model: 'any', stream: true, ...body });
  expect(again.text).toContain('She.');
  await expect.poll(() => session.heard()?.text).toBe('She.');
  expect(session.conversations()).toBe(1);
});
