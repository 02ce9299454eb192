import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { TransientError } from '#platform/errors.ts';
import { createGate, fivePages, startHttpApi, writeCorpus, type HttpApiOptions, type Page } from './http-api.ts';
import { until } from '../until.ts';

/** As an agent's framework sets it up. */
async function overHttp(options: HttpApiOptions = {}, mode: 'legacy' | 'auto' = 'auto'): Promise<Client> {
  const api = await startHttpApi(options);
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${api.url}/mcp`)));
  onTestFinished(() => client.close());
  return client;
}

async function overStdio({ pages = fivePages }: { readonly pages?: readonly Page[] } = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({
      command: `${repositoryRoot}/services/cli/bin/gradus`,
      args: ['mcp', '--corpus', await writeCorpus(pages), '--log-level', 'debug'],
      cwd: repositoryRoot,
      stderr: 'ignore',
    }),
  );
  onTestFinished(() => client.close());
  return client;
}

const answer = z.object({
  isError: z.boolean().optional(),
  content: z.tuple([z.object({ type: z.literal('text'), text: z.string() })]),
});

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<unknown> {
  const { isError, content } = answer.parse(await client.callTool({ name, arguments: args }));
  return isError === true ? { failed: content[0].text } : JSON.parse(content[0].text);
}

describe.each([
  ['streamable HTTP', () => overHttp()],
  ['streamable HTTP as clients of 2025 speak it', () => overHttp({}, 'legacy')],
  ['stdio', overStdio],
])('MCP over %s', (_, connect) => {
  test('the tools are listed with what they take', async () => {
    const { tools } = await (await connect()).listTools();
    const taken = Object.fromEntries(
      tools.map(({ name, inputSchema }) => [
        name,
        { all: Object.keys(inputSchema.properties ?? {}), required: inputSchema.required },
      ]),
    );
    expect(taken).toMatchObject({
      websearch: { all: ['query', 'k'], required: ['query'] },
      google_search: {
        all: expect.arrayContaining(['q', 'gl', 'hl', 'num', 'page', 'tbs', 'location', 'autocorrect']),
        required: ['q', 'gl', 'hl'],
      },
      scrape: { all: ['id', 'url', 'part', 'includeMarkdown'] },
    });
  });

  test('websearch finds what scrape then reads', async () => {
    const client = await connect();
    const found = await call(client, 'websearch', { query: 'capital of Estmark Dell', k: 1 });
    expect(found).toEqual({
      results: [
        { id: '12', title: 'Estmark Dell', preview: 'Estmark Dell is a country. Its capital is Norwick Vale.' },
      ],
    });
    expect(await call(client, 'scrape', { id: '12' })).toEqual({
      id: '12',
      title: 'Estmark Dell',
      text: 'Estmark Dell is a country. Its capital is Norwick Vale.',
      part: 0,
      parts: 1,
      characters: 55,
    });
  });

  test("google_search answers in Serper's form, with links that scrape takes", async () => {
    const client = await connect();
    const args = { q: 'Norwick Vale town', gl: 'us', hl: 'en', num: 2, tbs: 'qdr:y', site: 'example.org' };
    const found = await call(client, 'google_search', args);
    expect(found).toMatchObject({
      searchParameters: { q: 'Norwick Vale town', gl: 'us', hl: 'en', num: 2, page: 1, type: 'search' },
      organic: [
        {
          title: 'Norwick Vale',
          link: 'doc:a%20b%2F%C3%BC',
          snippet: expect.stringMatching(/^Norwick Vale is/),
          position: 1,
        },
        { position: 2 },
      ],
    });
    const second = await call(client, 'google_search', { ...args, page: 2 });
    expect(Object(second).organic[0]).toMatchObject({ position: 3 });
    expect(await call(client, 'scrape', { url: 'doc:a%20b%2F%C3%BC', includeMarkdown: true })).toEqual({
      text: 'Norwick Vale is a town in Estmark Dell.',
      markdown: '# Norwick Vale\n\nNorwick Vale is a town in Estmark Dell.',
      metadata: { title: 'Norwick Vale', url: 'doc:a%20b%2F%C3%BC', part: 0, parts: 1, characters: 39 },
    });
  });

  test('google_search without country and language is answered all the same', async () => {
    expect(await call(await connect(), 'google_search', { q: 'Halvard' })).toMatchObject({
      organic: [{ link: 'doc:0007' }],
    });
  });

  test('what cannot be done is said in the answer, and the next call works', async () => {
    const client = await connect();
    const failed = async (name: string, args: Record<string, unknown>): Promise<string> =>
      String(Object(await call(client, name, args)).failed);
    expect(await failed('scrape', { id: 'doc_99' })).toBe(
      "id: the corpus has no document 'doc_99'; give an id that a search found",
    );
    expect(await failed('scrape', {})).toMatch(/^id, url: give one of them/);
    expect(await failed('scrape', { id: '3', url: 'doc:3' })).toMatch(/^id, url: give one of them/);
    expect(await failed('scrape', { id: '3', part: 1 })).toBe("part: 1; document '3' has the parts 0 to 0");
    expect(await failed('websearch', { query: 'x', k: 0 })).toMatch(/ k: /);
    expect(await failed('websearch', { query: '' })).toMatch(/ query: /);
    expect(await failed('websearch', { quarry: 'x' })).toMatch(/ query: /);
    expect(await failed('google_search', { q: 'x', num: 100, page: 11 })).toBe(
      'page: 11 of 100 results each; results go to number 1000',
    );
    await expect(client.callTool({ name: 'browse', arguments: {} })).rejects.toThrow(/browse/);
    expect(await call(client, 'websearch', { query: '???' })).toEqual({ results: [] });
  });
});

test('a document longer than a part is read part by part', async () => {
  const text = 'abcdefghi '.repeat(25_000);
  const client = await overHttp({ pages: [{ id: 'long', title: 'Long', text }] });
  const parts = await Promise.all([0, 1, 2].map((part) => call(client, 'scrape', { id: 'long', part })));
  expect(parts[0]).toMatchObject({ part: 0, parts: 3, characters: 250_000 });
  expect(parts.map((part) => String(Object(part).text)).join('') === text).toBe(true);
});

test('too much waiting is an answer that says when to try again', async () => {
  const client = await overHttp({
    around: (retriever) => ({
      ...retriever,
      search: async () => {
        throw new TransientError('resource_exhausted', 'too much is waiting', { retryAfterMs: 1_500 });
      },
    }),
  });
  expect(await call(client, 'websearch', { query: 'x' })).toEqual({ failed: 'too much is waiting; try again in 2 s' });
});

test('P3: a tool that takes longer than its deadline says so', async () => {
  const gate = createGate();
  const client = await overHttp({ around: gate.around, flags: ['--http-timeout-ms', '1000'] });
  const failure = call(client, 'websearch', { query: 'x' });
  await expect(failure).resolves.toMatchObject({ failed: 'websearch took longer than 1000 ms' });
  expect(gate.held[0]?.signal?.aborted).toBe(true);
});

test('a call that the client gives up is cancelled', async () => {
  const gate = createGate();
  const client = await overHttp({ around: gate.around });
  const stop = new AbortController();
  const given = client.callTool({ name: 'websearch', arguments: { query: 'x' } }, { signal: stop.signal });
  await until(() => gate.held.length === 1);
  stop.abort();
  await expect(given).rejects.toThrow();
  await until(() => gate.held[0]?.signal?.aborted === true);
});

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
const accept = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

async function askPing(headers: Record<string, string>, flags: readonly string[] = []) {
  const api = await startHttpApi({ flags });
  // `fetch` sets Host by itself.
  return await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const asked = request(`${api.url}/mcp`, { method: 'POST', headers: { ...accept, ...headers } }, (response) => {
      response.setEncoding('utf8');
      response.toArray().then((chunks) => resolve({ status: response.statusCode, body: chunks.join('') }), reject);
    }).once('error', reject);
    asked.end(JSON.stringify(ping));
  });
}

test.each<[string, Record<string, string>, number]>([
  ['by a page of another site', { origin: 'https://evil.example' }, 403],
  ['by a page of this machine', { origin: 'http://localhost:3000' }, 200],
  ['by a page that hides where it is from', { origin: 'null' }, 403],
  ['by a name that was bound to this machine', { host: 'evil.example:8000' }, 403],
  ['by its address', { host: '10.0.0.7:8000' }, 200],
  ['by localhost', { host: 'localhost:8000' }, 200],
])('MCP over HTTP asked %s', async (_, headers, status) => {
  expect(await askPing(headers)).toMatchObject({ status });
});

test.each([
  ['application/json, text/event-stream', 'text/event-stream'],
  ['text/event-stream', 'text/event-stream'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['application/json;q=0.9, */*;q=0.1', 'application/json'],
  ['', 'application/json'],
])('MCP over HTTP answers a client that accepts %j in %s', async (accepted, type) => {
  const api = await startHttpApi();
  const toolCall = { ...ping, method: 'tools/call', params: { name: 'websearch', arguments: { query: 'paris' } } };
  const response = await fetch(`${api.url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: accepted },
    body: JSON.stringify(toolCall),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain(type);
  const text = await response.text();
  const json = type === 'application/json' ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? '');
  expect(JSON.parse(json)).toMatchObject({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text' }] } });
});

test('a refused host reads how it is allowed, and is answered when it is', async () => {
  const host = 'retrieval.example:8000';
  expect((await askPing({ host })).body).toContain('--allowed-hosts');
  const flags = ['--allowed-hosts', 'retrieval.example,pages.example'];
  expect(await askPing({ host, origin: 'https://pages.example' }, flags)).toMatchObject({ status: 200 });
});

test('MCP over HTTP keeps no session: there is no stream to open and none to end', async () => {
  const api = await startHttpApi();
  for (const method of ['GET', 'DELETE']) {
    expect((await fetch(`${api.url}/mcp`, { method, headers: accept })).status).toBe(405);
  }
});

test('what is not JSON-RPC is refused in its words', async () => {
  const api = await startHttpApi();
  const broken = await api.post('/mcp', '', { headers: accept, body: '{"jsonrpc":' });
  expect(broken).toMatchObject({ status: 400, body: { error: { code: -32700 } } });
  const form = await api.post('/mcp', ping, { headers: { 'content-type': 'text/plain', accept: accept.accept } });
  expect(form.status).toBe(415);
});

test.each([
  ['one', 1],
  ['a hundred', 100],
])('%s request that a shell pipes in is answered before the stdio server ends', async (_, count) => {
  const child = spawn(`${repositoryRoot}/services/cli/bin/gradus`, ['mcp', '--corpus', await writeCorpus(fivePages)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const exit = new Promise((resolve) => child.once('exit', resolve));
  const asked = Array.from({ length: count }, (__, id) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'websearch', arguments: { query: `paris ${id}` } },
  }));
  const start = {
    jsonrpc: '2.0',
    id: 'start',
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
  };
  const ready = { jsonrpc: '2.0', method: 'notifications/initialized' };
  child.stdin.end([start, ready, ...asked].map((message) => `${JSON.stringify(message)}\n`).join(''));
  const answered: unknown[] = [];
  for await (const line of createInterface(child.stdout))
    answered.push(z.object({ id: z.unknown() }).parse(JSON.parse(line)).id);
  expect(new Set(answered)).toEqual(new Set(['start', ...asked.map(({ id }) => id)]));
  expect(await exit).toBe(0);
});

test('standard output of the stdio server carries the protocol and nothing else, and it ends with its client', async () => {
  const child = spawn(`${repositoryRoot}/services/cli/bin/gradus`, ['mcp', '--corpus', await writeCorpus(fivePages)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.stdin.write(`${JSON.stringify(ping)}\n`);
  const lines: unknown[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(JSON.parse(line));
    child.stdin.end();
  }
  expect(lines).toEqual([{ jsonrpc: '2.0', id: 1, result: {} }]);
  expect(await exit).toBe(0);
});

test.each([
  [['--corpus', 'nowhere.jsonl'], 1, /nowhere\.jsonl/],
  [['--corpus', 'x', '--http', '127.0.0.1:0'], 2, /^mcp: --http: nothing is bound here; use 'gradus serve retrieval'/],
  [['--corpsu', 'x'], 2, /did you mean '--corpus'/],
])('gradus mcp %j ends with %d and says why', async (flags, code, reason) => {
  const child = spawn(`${repositoryRoot}/services/cli/bin/gradus`, ['mcp', ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [errors, exit] = await Promise.all([
    child.stderr.setEncoding('utf8').toArray(),
    new Promise((resolve) => child.once('exit', resolve)),
  ]);
  expect(exit).toBe(code);
  expect(errors.join('')).toMatch(reason);
});
