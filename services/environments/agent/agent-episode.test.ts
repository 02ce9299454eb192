/** An episode whose agent is the test: it asks over HTTP, and ends as the test says. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { StepIo } from '../kit/environment.ts';
import { startAgentEpisode } from './agent-episode.ts';
import { written } from './face/face-under-test.ts';
import { startFace } from './face/start-face.ts';
import type { AgentSession } from './kinds/agent-kind.ts';
import { agentOptions } from './options.ts';
import type { AgentEnd } from './reports/agent-result.ts';

const user = { role: 'user', content: 'Who?' };
const patient: StepIo = { signal: new AbortController().signal, toolTimeoutMs: 600_000 };

interface How {
  readonly path?: string;
  readonly signal?: AbortSignal;
  readonly tools?: readonly object[];
}

/** An episode that has asked its first question. */
async function startEpisode({
  endsInSilence = false,
  tools: given = [],
}: { readonly endsInSilence?: boolean } & Pick<How, 'tools'> = {}) {
  const options = agentOptions.parse({ command: ['agent'], start_timeout_ms: 600_000 });
  const face = await startFace({ thinking: false, sampling: 'refused' });
  onTestFinished(() => face.close());
  const ended = Promise.withResolvers<AgentEnd>();
  const begun = Promise.withResolvers<AgentSession>();
  const kind = {
    async start(_row: object, _io: object, at: AgentSession) {
      begun.resolve(at);
      return { ended: ended.promise, endsInSilence, stop: async () => {} };
    },
  };
  const starting = startAgentEpisode(
    { options, kind, face, reports: new Map() },
    { id: 'q1', data: {}, tags: {} },
    { ...patient, seed: 1n },
  );
  const { baseUrl, key, session } = await begun.promise;
  async function ask(messages: readonly object[], { path = '/chat/completions', signal, tools = [] }: How = {}) {
    const response = await fetch(`${baseUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'any', messages, ...(tools.length > 0 && { tools }) }),
      ...(signal && { signal }),
    });
    return { status: response.status, json: (await response.json()) as object };
  }
  const left = new AbortController();
  const asks = vi.spyOn(session, 'ask');
  const first = ask([user], { signal: left.signal, tools: given });
  const episode = await starting;
  onTestFinished(async () => await episode.close?.());
  return { episode, session, ask, asks, first, left, end: ended.resolve };
}

test('P2: an agent that falls silent has ended, unless its last turn never reached it', async () => {
  const { episode, session, ask, first, left } = await startEpisode({ endsInSilence: true });
  const gone = episode.listener?.().gone;
  left.abort();
  await expect(first).rejects.toThrow();
  await expect.poll(() => gone?.aborted).toBe(true);
  const silent = { ...patient, toolTimeoutMs: 200 };
  await expect(episode.abandoned?.(silent)).rejects.toThrow(/connection was lost before its turn reached it/);
  expect(episode.metrics?.()).toEqual({ conversations: 0, turns_abandoned: 1 });
  // It asks again, and has the turn.
  const again = ask([user]);
  expect(await episode.abandoned?.(patient)).toMatchObject({ kind: 'continue', role: '' });
  expect(episode.listener?.().gone.aborted).toBe(false);
  const step = async () => await episode.step(written(0, 'She.'), silent);
  const ended = step();
  expect(await again).toMatchObject({ status: 200 });
  await expect.poll(() => session.heard()?.text).toBe('She.');
  expect(await ended).toMatchObject({ kind: 'done', prediction: 'She.' });
});

const look = { type: 'function', function: { name: 'look', parameters: { type: 'object' } } };

test('P9: a result is of its call whatever the client calls it; one that the next call does not have is counted', async () => {
  const { episode, ask, first } = await startEpisode({ tools: [look] });
  const called = (at: number) => written(at, '<tool_call>{"name": "look", "arguments": {}}</tool_call>');
  const call = { id: 'mine', type: 'function', function: { name: 'look', arguments: '{}' } };
  const found = [
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'mine', content: 'she' },
  ];
  const step = episode.step(called(0), patient);
  await first;
  const second = ask([user, ...found], { tools: [look] });
  expect(await step).toMatchObject({ action: { name: 'look', result: 'she' } });
  expect(episode.metrics?.()).toEqual({ conversations: 1 });
  const next = episode.step(called(1), patient);
  await second;
  // Of another conversation.
  const other = ask([{ role: 'user', content: 'Where?' }]);
  expect(await next).toMatchObject({ action: { name: 'look', result: '' } });
  expect(episode.metrics?.()).toEqual({ conversations: 2, branches_new_conversation: 1, tool_results_unseen: 1 });
  await episode.close?.();
  expect(await other).toMatchObject({ status: 400 });
});

const large = { role: 'user', content: 'x'.repeat(600_000) };

test("P2: a crash after a refusal of size is the policy's, and no longer once another call was taken", async () => {
  const { episode, ask, first, end } = await startEpisode();
  const next = episode.step(written(0, 'She.'), patient);
  await first;
  expect(await ask([user, large])).toMatchObject({ status: 400 });
  const again = ask([user, { role: 'assistant', content: 'She.' }, user]);
  await next;
  const last = episode.step(written(1, 'She.'), patient);
  await again;
  end({ kind: 'failed', why: 'it threw' });
  await expect(last).rejects.toThrow('the agent failed: it threw');
});

test("P2: what is only counted is no refusal; what was asked for too much is the policy's", async () => {
  const { episode, ask, first, end } = await startEpisode();
  const step = episode.step(written(0, 'She.'), patient);
  await first;
  expect(await ask([user, large], { path: '/messages/count_tokens' })).toMatchObject({ status: 400 });
  end({ kind: 'failed', why: 'it threw' });
  await expect(step).rejects.toThrow('the agent failed: it threw');
  const other = await startEpisode();
  const played = other.episode.step(written(0, 'She.'), patient);
  await other.first;
  expect(await other.ask([user, large])).toMatchObject({ status: 400 });
  other.end({ kind: 'failed', why: 'it threw' });
  expect(await played).toMatchObject({ kind: 'done', failure: 'context_overflow' });
});
