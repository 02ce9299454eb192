import { describe, expect, test } from 'vitest';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { startScriptedEndpoint, type EndpointReply } from '../../tests/fakes/scripted-endpoint.ts';
import { createChatEndpoint } from './chat-endpoint.ts';
import { errorInBody } from './error-in-body.ts';

const { signal } = new AbortController();
const hello = [{ role: 'user', content: 'Hello' }] as const;
const sampling = { temperature: 0, maxTokens: 7 };

async function thrownBy(reply: EndpointReply, key?: string): Promise<unknown> {
  await using server = await startScriptedEndpoint(() => reply);
  const settings = { baseUrl: server.baseUrl, model: 'm', ...(key !== undefined && { apiKeyEnv: 'THE_KEY' }) };
  return await createChatEndpoint(settings, key)
    .complete(hello, sampling, signal)
    .catch((thrown: unknown) => thrown);
}

test('asks for a message with the model, the sampling, further fields and the key', async () => {
  await using server = await startScriptedEndpoint(() => 'Hi');
  const extraBody = { chat_template_kwargs: { enable_thinking: false } };
  const endpoint = createChatEndpoint({ baseUrl: `${server.baseUrl}/`, model: 'm', extraBody }, 'sesame');
  expect(await endpoint.complete(hello, { ...sampling, topP: 0.9, topK: 20, seed: 5 }, signal)).toEqual({
    kind: 'message',
    text: 'Hi',
    cut: false,
    promptTokens: 100,
    completionTokens: 10,
  });
  const [call] = server.calls;
  expect(call?.headers.authorization).toBe('Bearer sesame');
  expect(call?.request).toEqual({
    model: 'm',
    messages: hello,
    temperature: 0,
    max_tokens: 7,
    top_p: 0.9,
    top_k: 20,
    seed: 5,
    ...extraBody,
  });
});

test('fields that not every server knows are left out where nothing is asked for', async () => {
  await using server = await startScriptedEndpoint(() => ({ text: 'Hi the', finish: 'length' }));
  const answer = await createChatEndpoint({ baseUrl: server.baseUrl, model: 'm' }, undefined).complete(
    hello,
    sampling,
    signal,
  );
  expect(answer).toMatchObject({ text: 'Hi the', cut: true });
  expect(Object.keys(server.calls[0]?.request ?? {})).toEqual(['model', 'messages', 'temperature', 'max_tokens']);
  expect(server.calls[0]?.headers.authorization).toBeUndefined();
});

test('names the most tokens as the server wants them, and says what to set where it wants the other field', async () => {
  await using server = await startScriptedEndpoint(({ max_tokens: old }) =>
    old === undefined
      ? 'Hi'
      : { status: 400, body: "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead." },
  );
  const settings = { baseUrl: server.baseUrl, model: 'm' };
  await expect(createChatEndpoint(settings, undefined).complete(hello, sampling, signal)).rejects.toThrow(
    /instead\.; set max_tokens_field: max_completion_tokens \(gradus eval: --max-tokens-field\)$/,
  );
  const newer = createChatEndpoint({ ...settings, maxTokensField: 'max_completion_tokens' }, undefined);
  expect(await newer.complete(hello, sampling, signal)).toMatchObject({ text: 'Hi' });
  expect(server.calls[1]?.request).toEqual({ model: 'm', messages: hello, temperature: 0, max_completion_tokens: 7 });
});

test('a server that does not know the newer field is recognised', async () => {
  await using server = await startScriptedEndpoint(() => ({
    status: 400,
    body: '{"message": "Extra inputs are not permitted: max_completion_tokens"}',
  }));
  const settings = { baseUrl: server.baseUrl, model: 'm', maxTokensField: 'max_completion_tokens' } as const;
  await expect(createChatEndpoint(settings, undefined).complete(hello, sampling, signal)).rejects.toThrow(
    /; set max_tokens_field: max_tokens /,
  );
});

describe('P2: an answer that is none is not an answer of the model', () => {
  test.each<[string, EndpointReply, RegExp]>([
    ['no JSON', { fault: 'garbage' }, /answered 200 and no JSON: "<html>/],
    ['no choice', { fault: 'no_choice' }, /no chat completion: choices: /],
    ['an empty choice', { fault: 'empty_choice' }, /answered 200 and an empty choice/],
    ['ten megabytes', { fault: 'huge' }, /more than 1048576 bytes/],
    ['a connection that is cut', { fault: 'cut' }, /cannot be reached: /],
    ['503', { status: 503, body: 'overloaded' }, /answered 503: overloaded/],
  ])('%s', async (_what, reply, message) => {
    const thrown = await thrownBy(reply);
    expect(thrown).toBeInstanceOf(TransientError);
    expect(thrown).toMatchObject({ message: expect.stringMatching(message) });
  });

  test('an empty message is the model’s where the server says that it wrote something', async () => {
    await using server = await startScriptedEndpoint(() => '');
    const endpoint = createChatEndpoint({ baseUrl: server.baseUrl, model: 'm' }, undefined);
    expect(await endpoint.complete(hello, sampling, signal)).toMatchObject({ kind: 'message', text: '' });
  });
});

test('a server that asks to slow down is given the time that it asks for', async () => {
  expect(await thrownBy({ status: 429, headers: { 'retry-after': '7' }, body: '' })).toMatchObject({
    code: 'resource_exhausted',
    retryAfterMs: 7_000,
  });
});

test('P3: a server that hangs is left when the caller’s time is over', async () => {
  await using server = await startScriptedEndpoint(() => ({ fault: 'hang' }));
  const endpoint = createChatEndpoint({ baseUrl: server.baseUrl, model: 'm' }, undefined);
  await expect(endpoint.complete(hello, sampling, AbortSignal.timeout(50))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
});

describe('an error within status 200', () => {
  const good = { choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }], usage: {} };

  test.each(['', {}, null, { message: '', code: null }, { code: 0, message: 'success' }, { code: 500, message: 'x' }])(
    'does not hide a reply that can be read: %j',
    async (error) => {
      const [choice] = good.choices;
      for (const body of [
        { ...good, error },
        { ...good, choices: [{ ...choice, error }] },
      ]) {
        await using server = await startScriptedEndpoint(() => ({ status: 200, body: JSON.stringify(body) }));
        const endpoint = createChatEndpoint({ baseUrl: server.baseUrl, model: 'm' }, undefined);
        expect(await endpoint.complete(hello, sampling, signal)).toMatchObject({ text: 'Hi' });
      }
    },
  );

  test.each([
    [{ message: 'temporarily unavailable, not found upstream' }, 500],
    [{ message: 'The author is missing' }, 500],
    [{ message: 'invalid response', code: 'author_service_down' }, 500],
    [{ message: 'Overloaded: too many requests' }, 429],
    [{ message: 'You exceeded your current quota' }, 402],
    [{ message: 'x', type: 'RateLimitError' }, 429],
    [{ message: 'x', status: 'RESOURCE_EXHAUSTED' }, 429],
    [{ message: 'x', type: 'AuthenticationError' }, 401],
    [{ message: 'x', code: 'invalid_api_key', type: 'invalid_request_error' }, 401],
    [{ message: 'x', code: 'model_not_found' }, 404],
    [{ message: 'x', type: 'invalid_request_error' }, 400],
    [{ message: 'x', type: 'invalid_upstream_response' }, 500],
    [{ message: 'not found', code: '503' }, 503],
  ])('%j is as status %i', (error, status) => {
    expect(errorInBody({ error }, 'it', undefined)).toMatchObject({ details: { status } });
  });

  test.each(['', {}, null, { message: '' }])('that says nothing is none: %j', (error) => {
    expect(errorInBody({ error }, 'it', undefined)).toBeUndefined();
  });
});

describe('a refusal has the server’s words, its URL and the fix', () => {
  const error = (message: string): string => JSON.stringify({ error: { message, type: 'x' } });

  test.each([
    [401, error('No API key'), /\/v1\/chat\/completions answered 401: No API key; name the variable .*--api-key-env/],
    [
      404,
      error('The model `m` does not exist.'),
      /answered 404: The model `m` does not exist\.; check that model m is/,
    ],
    [404, '{"message": "no route"}', /answered 404: no route; .* the URL ends before \/chat\/completions/],
    [400, error('top_k is not supported'), /answered 400: top_k is not supported; check model m, the limits/],
    [
      400,
      error(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      ),
      /Use 'max_completion_tokens' instead\.; set max_tokens_field: max_completion_tokens \(gradus eval: --max-/,
    ],
    [422, 'odd\nwords', /answered 422: odd words; check/],
  ])('%i %s', async (status, body, message) => {
    const thrown = await thrownBy({ status, body });
    expect(thrown).toBeInstanceOf(TerminalError);
    expect(thrown).toMatchObject({ code: 'permission_denied', message: expect.stringMatching(message) });
  });

  test('and nothing of the key', async () => {
    const body = error('Incorrect API key provided: sk-op***same. Or was it sk-open-sesame?');
    const thrown = await thrownBy({ status: 401, body }, 'sk-open-sesame');
    expect(thrown).toMatchObject({
      message: expect.stringMatching(/answered 401: Incorrect API key provided: \*\*\* .*; check the key in THE_KEY$/),
    });
    expect(String(thrown)).not.toMatch(/sk-|same/);
  });

  test.each([
    ['an error within 200', { error: { message: 'no such key: sk/open', code: 401 } }],
    ['with slashes escaped', String.raw`{"error": {"message": "no such key: sk\/open", "code": 401}}`],
    ['with signs as numbers', String.raw`{"error": {"message": "no such key: \u0073k\u002Fopen", "code": 503}}`],
    ['no JSON', `<html>${'-'.repeat(68)}sk/open</html>`],
    ['a redirect', 'moved'],
  ])('nor in %s', async (what, body) => {
    const thrown = await thrownBy(
      {
        status: what === 'a redirect' ? 308 : 200,
        headers: { location: 'http://127.0.0.1/?key=sk/open' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      },
      'sk/open',
    );
    expect(thrown).toBeInstanceOf(Error);
    const { message, details, cause } = thrown as TerminalError;
    expect(JSON.stringify([message, details, cause instanceof TerminalError ? cause.details : cause])).not.toMatch(
      /open/,
    );
    expect(message).toContain('***');
  });
});

test.each([
  '{"error": {"code": "context_length_exceeded", "message": "too long"}}',
  '{"message": "This model\'s maximum context length is 4096 tokens."}',
])('a conversation that is too long for the model is the policy’s: %s', async (body) => {
  await using server = await startScriptedEndpoint(() => ({ status: 400, body }));
  const endpoint = createChatEndpoint({ baseUrl: server.baseUrl, model: 'm' }, undefined);
  expect(await endpoint.complete(hello, sampling, signal)).toEqual({ kind: 'context' });
});
