/** The examples of docs/retrieval-api.md, asked again. */
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { startHttpApi, type RunningHttpApi } from './http-api.ts';

const page = readFileSync(`${repositoryRoot}/docs/retrieval-api.md`, 'utf8');

const corpus = (/```jsonl\n(.*?)```/s.exec(page)?.[1] ?? '')
  .trim()
  .split('\n')
  .map((line) => z.object({ id: z.string(), title: z.string(), text: z.string() }).parse(JSON.parse(line)));

const examples = [...page.matchAll(/```\n(POST|GET|TOOL) (\S+)\n(?:([[{].*)\n)?-> (\w+)\n(.+)\n```/g)].map(
  ([, method = '', target = '', asked = 'null', outcome = '', answer = '']) => {
    return { method, target, asked: JSON.parse(asked), outcome, answer: JSON.parse(answer) };
  },
);

/** `"…"` stands for anything. */
function asPattern(value: unknown): unknown {
  if (value === '…') return expect.anything();
  if (Array.isArray(value)) return value.map(asPattern);
  if (typeof value === 'number') return expect.closeTo(value, 9);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, asPattern(child)]));
}

let api: RunningHttpApi;

beforeAll(async () => {
  api = await startHttpApi({ pages: corpus }, (end) => afterAll(end));
});

async function ask(method: string, target: string, asked: unknown) {
  if (method !== 'TOOL') {
    const options = method === 'GET' ? { method, body: null } : {};
    const { status, body } = await api.post(target, asked, options);
    return { outcome: String(status), answer: body };
  }
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${api.url}/mcp`)));
  onTestFinished(() => client.close());
  const call = z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) });
  const result = await client.callTool(call.parse({ name: target, arguments: asked }));
  const [content] = z.array(z.object({ text: z.string() })).parse(result.content);
  const text = content?.text ?? '';
  return result.isError === true ? { outcome: 'error', answer: text } : { outcome: 'answer', answer: JSON.parse(text) };
}

test('the page has its examples', () => {
  expect(corpus).toHaveLength(3);
  const targets = examples.map(({ target }) => target);
  expect(targets).toHaveLength(14);
  expect(new Set(targets).size).toBe(9);
});

test.each(examples)(
  '$method $target $asked is answered as the page says',
  async ({ method, target, asked, ...expected }) => {
    expect(await ask(method, target, asked)).toEqual({ ...expected, answer: asPattern(expected.answer) });
  },
);
