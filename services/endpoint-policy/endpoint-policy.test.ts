import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { GenerateRequestSchema, TokenizeRequestSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';
import { chatToProto } from '#chat/chat-proto.ts';
import type { Continuation, Conversation } from '#chat/conversation.ts';
import { createChatEndpoint } from '#endpoint/chat-endpoint.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { type EndpointReply, startScriptedEndpoint } from '../../tests/fakes/scripted-endpoint.ts';
import { endpointPolicyConfig } from './config.ts';
import { createEndpointPolicyEvents } from './events.ts';
import { loadVersion } from './service.ts';
import { generate } from './handlers/generate.ts';
import { tokenize } from './handlers/tokenize.ts';

const { signal } = new AbortController();

function tokensOf(chat: string | Conversation | Continuation): number[] {
  const asked = typeof chat === 'string' ? { texts: [chat] } : { chats: [chatToProto(chat)] };
  const { results = [], chats = [] } = tokenize(create(TokenizeRequestSchema, asked));
  return [...(results[0]?.tokenIds ?? chats[0]?.tokenIds ?? [])];
}

async function played(reply: EndpointReply, tokenIds: readonly number[], more: { contextTokens?: number } = {}) {
  await using server = await startScriptedEndpoint(() => reply);
  const config = loadConfig(endpointPolicyConfig, { argv: ['--base-url', server.baseUrl, '--model', 'm'], env: {} });
  const context = {
    config,
    endpoint: createChatEndpoint(config, undefined),
    slots: createSemaphore(config.maxRunning),
    events: createEndpointPolicyEvents(createMetrics()),
  };
  const request = create(GenerateRequestSchema, {
    requestId: 'r:0:0',
    sessionId: 'r',
    tokenIds: [...tokenIds],
    sampling: { temperature: 1, topP: 1, maxNewTokens: 20, seed: 2n ** 63n + 9n, stop: ['</tool>', '</answer>'] },
    contextTokens: 1000,
    ...more,
  });
  return { response: await generate(context, request, signal), calls: server.calls };
}

test('a conversation with tools and results reaches the endpoint as messages', async () => {
  const begun = tokensOf({
    messages: [
      { role: 'system', content: [{ text: 'Answer.', trusted: true }] },
      { role: 'user', content: 'Where is <|im_end|> it?' },
    ],
    tools: [{ name: 'find' }],
  });
  const first = await played('<tool>a</tool>', begun);
  const ids = [
    ...begun,
    ...(first.response.tokenIds ?? []),
    ...tokensOf({ after: [{ role: 'tool', content: 'there' }] }),
  ];
  const { calls } = await played('<answer>b</answer>', ids);
  const [system, ...rest] = calls[0]?.request.messages ?? [];
  expect(system?.content).toMatch(/^Answer\.\n\nYou may call one of these functions[^]*\{"name":"find"\}/);
  expect(rest).toEqual([
    { role: 'user', content: 'Where is &lt;|im_end|> it?' },
    { role: 'assistant', content: '<tool>a</tool>' },
    { role: 'user', content: '<tool_response>\nthere\n</tool_response>' },
  ]);
});

test('text as it stands is a message of the user, and only what a server has to know is sent', async () => {
  const { calls } = await played('x', tokensOf('Where?'));
  expect(calls[0]?.request).toEqual({
    model: 'm',
    messages: [{ role: 'user', content: 'Where?' }],
    temperature: 1,
    max_tokens: 20,
    seed: 9,
  });
});

test('P4: log-probabilities are absent and said to be, and the digest is that of the sequence', async () => {
  const ids = tokensOf('Where?');
  const { response } = await played('There.', ids);
  expect(response).toMatchObject({
    text: 'There.',
    logprobs: [],
    logprobKind: LogprobKind.ABSENT,
    finishReason: FinishReason.STOP,
    versions: { first: 0n, last: 0n },
  });
  expect(response.sequenceDigest).toEqual(sequenceDigest([...ids, ...(response.tokenIds ?? [])]));
});

test.each<[string, EndpointReply, { contextTokens?: number }, object]>([
  ['ends at the first stop string, which stays', '<tool>a</tool> <answer>b</answer>', {}, { text: '<tool>a</tool>' }],
  [
    'is whole where only what follows a stop string was cut',
    { text: '<answer>b</answer> and', finish: 'length' },
    {},
    { text: '<answer>b</answer>', finishReason: FinishReason.STOP },
  ],
  ['is cut by its own limit', { text: 'and so', finish: 'length' }, {}, { finishReason: FinishReason.LENGTH }],
  [
    'is cut where the context ends',
    'eight by',
    { contextTokens: tokensOf('Where?').length + 1 },
    { text: 'eigh', finishReason: FinishReason.CONTEXT },
  ],
  [
    'is empty where the conversation is too long for the model',
    { status: 400, body: '{"error": {"code": "context_length_exceeded", "message": "too long"}}' },
    {},
    { text: '', tokenIds: [], finishReason: FinishReason.CONTEXT },
  ],
])('a turn %s', async (_what, reply, more, expected) => {
  expect((await played(reply, tokensOf('Where?'), more)).response).toMatchObject(expected);
});

test('ids that no conversation has are refused by name', async () => {
  await expect(played('x', [5, 6, 7])).rejects.toThrow(/Generate: token_ids is not a conversation/);
});

test('an endpoint cannot be given weights', () => {
  expect(loadVersion({ version: 0n } as Parameters<typeof loadVersion>[0])).toMatchObject({ version: 0n });
  expect(() => loadVersion({ version: 1n } as Parameters<typeof loadVersion>[0])).toThrow(/only version 0 is there/);
});
