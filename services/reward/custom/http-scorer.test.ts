import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startRewardUnderTest } from '../service-under-test.ts';
import { itemFor } from './scorers-under-test.ts';

type Answer = (response: ServerResponse, call: number, body: Record<string, unknown>) => void;

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
  return text;
}

/** A scorer behind HTTP, and the service with it under the name `remote`. */
async function startRemote(answer: Answer, settings: object = {}, environment: NodeJS.ProcessEnv = {}) {
  const requests: { body: Record<string, unknown>; headers: IncomingMessage['headers'] }[] = [];
  const server = createServer((request, response) => {
    void textOf(request).then((text) => {
      const body = JSON.parse(text) as Record<string, unknown>;
      requests.push({ body, headers: request.headers });
      answer(response, requests.length, body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const remote = { kind: 'http', url: `http://127.0.0.1:${port}/score`, ...settings };
  const service = await startRewardUnderTest({}, { scorers: { remote }, environment });
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await service[Symbol.asyncDispose]();
  });
  return { requests, service };
}

const say = (response: ServerResponse, status: number, text: string, headers = {}): void =>
  void response.writeHead(status, headers).end(text);

describe('a scorer behind HTTP', () => {
  test('gets one rollout a call, with its settings and its key', async () => {
    const { requests, service } = await startRemote(
      (response) => say(response, 200, '{"score": 3, "why": "good"}'),
      { keyEnv: 'REMOTE_KEY', low: -1, high: 7 },
      { REMOTE_KEY: 'sesame' },
    );
    const { scores } = await service.reward.score({
      items: [itemFor('remote', 'Rome', { settingsJson: '{"most": 2}' })],
    });
    expect(scores[0]).toMatchObject({ components: { remote: 0.5 } });
    expect(requests[0]?.headers.authorization).toBe('Bearer sesame');
    expect(requests[0]?.body).toEqual({
      scorer: 'remote',
      settings: { most: 2 },
      id: 'of-Rome',
      row: {
        id: 'q',
        data: { question: 'Where?' },
        gold: { answers: ['Paris', 'City of Light'], support_titles: ['Paris (city)'] },
        tags: { hops: '2' },
      },
      question: 'Where?',
      answers: ['Paris', 'City of Light'],
      prediction: 'Rome',
      turns: [
        {
          text: '<tool>{"name": "websearch"}</tool>',
          truncated: false,
          action: 'tool_call',
          tool: 'websearch',
          succeeded: true,
          error: '',
          arguments: { query: 'Where?' },
          result: 'France: a country',
          facts: { page_titles: ['France'] },
        },
        { text: '<answer>Rome</answer>', truncated: false, action: 'answer', answer: 'Rome' },
      ],
      tokens: { prompt: 10, model: 20, environment: 30 },
    });
  });

  test.each<[string, Answer, string]>([
    ['says something else', (response) => say(response, 200, 'fine'), 'unparsable'],
    ['says it in words', (response) => say(response, 200, '{"score": "high"}'), 'unparsable'],
    ['says too much', (response) => say(response, 200, `{"score": 1${' '.repeat(2 << 20)}}`), 'unparsable'],
    ['leaves its range', (response) => say(response, 200, '{"score": 1.01}'), 'out_of_range'],
    ['refuses', (response) => say(response, 422, 'unknown setting'), 'refused'],
    ['fails', (response) => say(response, 503, ''), 'unavailable'],
    ['cuts the connection', (response) => void response.destroy(), 'unavailable'],
    ['asks for patience', (response) => say(response, 429, '', { 'retry-after': '3600' }), 'rate_limited'],
    ['says nothing', () => {}, 'timeout'],
  ])('P2: that %s leaves the component absent', async (_, answer, reason) => {
    const timeoutMs = reason === 'timeout' ? 300 : 30_000;
    const { service } = await startRemote(answer, { timeoutMs, attempts: 2 });
    const { scores } = await service.reward.score({ items: [itemFor('remote', 'Rome')] });
    expect(scores[0]).toMatchObject({ absent: { remote: reason } });
    expect(scores[0]?.components).not.toHaveProperty('remote');
  });

  test('is asked again when it fails, as often as its settings say', async () => {
    const { requests, service } = await startRemote(
      (response, call) => say(response, call < 3 ? 500 : 200, '{"score": true}'),
      { timeoutMs: 60_000 },
    );
    const { scores } = await service.reward.score({ items: [itemFor('remote', 'Rome')] });
    expect(scores[0]?.components['remote']).toBe(1);
    expect(requests).toHaveLength(3);
  });

  test('is left alone once most calls have failed', async () => {
    const { requests, service } = await startRemote((response) => say(response, 500, ''), {
      attempts: 1,
      concurrency: 1,
    });
    const items = Array.from({ length: 60 }, (_, index) => itemFor('remote', 'Rome', { id: String(index) }));
    const { scores } = await service.reward.score({ items });
    const reasons = scores.map(({ absent }) => absent['remote']);
    expect(reasons.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 'unavailable'));
    expect(reasons).toContain('circuit_open');
    expect(requests.length).toBeLessThan(60);
  });

  test('gets as many calls at once as its settings say', async () => {
    const open: ServerResponse[] = [];
    const { requests, service } = await startRemote((response) => void open.push(response), {
      concurrency: 3,
      timeoutMs: 600_000,
    });
    const items = Array.from({ length: 10 }, (_, index) => itemFor('remote', 'Rome', { id: String(index) }));
    const scored = service.reward.score({ items });
    for (let answered = 0; answered < 10; answered += 1) {
      await expect.poll(() => requests.length, { timeout: 30_000 }).toBe(Math.min(10, answered + 3));
      const response = open[answered];
      if (response !== undefined) say(response, 200, '{"score": 1}');
    }
    expect((await scored).scores.every(({ components }) => components['remote'] === 1)).toBe(true);
  });
});
