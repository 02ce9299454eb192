import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { startScriptedEndpoint, type EndpointRequest } from '../fakes/scripted-endpoint.ts';
import { startScriptedJudge } from '../fakes/scripted-judge.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';

/** Somebody else's server of web searches: `google_search` and `scrape`, each with one JSON text; it drops a request for an outage. */
async function searchServer(names: readonly string[] = ['google_search', 'scrape']): Promise<string> {
  const text = (value: object) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });
  const handler = createMcpHandler(() => {
    const mcp = new McpServer({ name: 'serper', version: '1.0.0' });
    const q = z.object({ q: z.string(), gl: z.string(), hl: z.string(), num: z.int().optional() });
    const page = z.object({ url: z.string(), includeMarkdown: z.boolean().optional() });
    if (names.includes('google_search'))
      mcp.registerTool('google_search', { description: 'Searches the web.', inputSchema: q }, (searchParameters) =>
        text({
          searchParameters,
          organic: [{ title: 'Ann', link: 'https://ann.example', snippet: 'Founder.', position: 1 }],
        }),
      );
    if (names.includes('scrape'))
      mcp.registerTool('scrape', { description: 'Reads a page.', inputSchema: page }, ({ url }) =>
        text({ text: `Of ${url}: Ann founded it.`, metadata: {} }),
      );
    return mcp;
  });
  const http = createServer((incoming, response) => {
    void (async () => {
      const body = await buffer(incoming);
      if (body.includes('outage')) return void incoming.socket.destroy();
      const answer = await handler.fetch(
        new Request(`http://127.0.0.1${incoming.url}`, {
          method: incoming.method ?? 'GET',
          headers: Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]),
          ...(incoming.method === 'POST' && { body }),
        }),
      );
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    })();
  });
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  onTestFinished(() => void http.close());
  // It listens on TCP.
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
}

const questionOf = ({ messages }: EndpointRequest): string =>
  /Who founded (\w+)\?/.exec(messages.find(({ role }) => role === 'user')?.content ?? '')?.[1] ?? '';

/** Searches, reads the page, and answers `Ann`, or as the question says. */
const policy = (request: EndpointRequest): string => {
  const name = questionOf(request);
  const turn = request.messages.filter(({ role }) => role === 'assistant').length;
  const call = (tool: string, args: object) => `<tool>${JSON.stringify({ name: tool, args })}</tool>`;
  if (turn === 0) return call('google_search', { q: name === 'dropped' ? 'outage' : name, gl: 'us', hl: 'en' });
  if (turn === 1) return call('scrape', { url: 'https://ann.example' });
  return `<answer>${{ wrong: 'Bob', shy: 'I do not know.' }[name] ?? 'Ann'}</answer>`;
};

const simpleqa = (names: readonly string[]): string =>
  [
    'metadata,problem,answer',
    ...names.map((name) => `"{'topic': 'Other', 'answer_type': 'Person', 'urls': []}",Who founded ${name}?,Ann`),
  ].join('\n');

test('P2: SimpleQA over an MCP server with a judge: its own metrics, and every outage in a list of its own', async () => {
  const directory = await temporaryDirectory('gradus-published-');
  await writeFile(
    join(directory, 'simple_qa.csv'),
    simpleqa(['first', 'second', 'third', 'wrong', 'shy', 'dropped', 'unread']),
  );
  await using model = await startScriptedEndpoint(policy);
  await using judge = await startScriptedJudge({
    script: ({ messages }) => {
      const asked = messages.map(({ content }) => content).join('\n');
      if (asked.includes('Who founded unread?')) return 'That is a matter of taste.';
      return asked.includes('Bob') ? 'B' : asked.includes('I do not know') ? 'C' : 'A';
    },
  });
  const policyOptions = ['--endpoint', model.baseUrl, '--model', 'm', '--mcp', await searchServer()] as const;
  const rows = ['--data', 'simple_qa.csv', '--format', 'simpleqa', '--out', 'out'] as const;
  const judging = ['--judge', judge.baseUrl, '--judge-model', 'j'] as const;
  const run = startGradus(directory, 'eval', ...policyOptions, ...rows, ...judging);
  expect(await run.exit(), run.output()).toBe(0);
  const summary = (await readJson(join(directory, 'out/summary.json'))) as {
    readonly absent: readonly Record<string, unknown>[];
  };
  const value = (number: number) => ({ value: expect.closeTo(number, 12) });
  // Of the seven 3 are right, 1 is wrong, 1 is not attempted; one has no search, and one no grade.
  expect(summary).toMatchObject({
    rollouts: { asked: 7, n: 6, absent: 1 },
    success: { metric: 'grade' },
    metrics: {
      'grade.correct': { ...value(3 / 5), rows: 5 },
      'grade.incorrect': value(1 / 5),
      'grade.not_attempted': value(1 / 5),
      'grade.correct_given_attempted': { ...value(3 / 4), rows: 4 },
      'grade.f1': value(2 / 3),
      exact_match: { ...value(4 / 6), rows: 6 },
    },
  });
  const lines = await readJsonLines(join(directory, 'out/predictions.jsonl'));
  const nameOf = new Map(lines.map((line) => [line['id'], line]));
  const shown = summary.absent.map(({ component, reason, id }) => [component, reason, nameOf.get(id)?.['prediction']]);
  expect(shown).toHaveLength(2);
  expect(shown).toEqual(
    expect.arrayContaining([
      [null, 'tool_unavailable', null],
      ['grade', 'unparsable', 'Ann'],
    ]),
  );
  expect(summary.absent.find(({ component }) => component === 'grade')?.['detail']).toContain('a matter of taste');
  const asked = model.calls.map(({ request }) => request).find((request) => request.messages.length > 4);
  const results = asked?.messages.filter(({ content }) => content.includes('<result>')).map(({ content }) => content);
  expect(results?.[0]).toContain('"organic":[{"title":"Ann","link":"https://ann.example"');
  expect(results?.[1]).toContain('{"text":"Of https://ann.example: Ann founded it.","metadata":{}}');
});

test('what cannot be evaluated is refused with the option that says it', async () => {
  const directory = await temporaryDirectory('gradus-published-');
  await writeFile(join(directory, 'simple_qa.csv'), simpleqa(['first']));
  await writeFile(join(directory, 'odd.csv'), 'topic,question,answer\nx,Who?,Ann\n');
  await using model = await startScriptedEndpoint(policy);
  const refused = async (...args: readonly string[]) => {
    const common = ['--endpoint', model.baseUrl, '--model', 'm', '--format', 'simpleqa', '--out', 'out'];
    const run = startGradus(directory, 'eval', ...common, ...args);
    expect(await run.exit(), run.output()).toBe(2);
    return run.output();
  };
  const data = ['--data', 'simple_qa.csv'] as const;
  const whole = await searchServer();
  expect(await refused('--data', 'odd.csv', '--mcp', whole)).toMatch(/odd\.csv.*problem/s);
  expect(await refused(...data, '--mcp', await searchServer(['google_search']))).toContain(
    "--mcp: environment.options.allow: no server has a tool 'scrape'",
  );
  expect(await refused(...data, '--mcp', whole, '--judge', 'http://127.0.0.1:9/v1')).toContain(
    '--judge needs --judge-model NAME',
  );
  expect(await refused(...data, '--tool', 'scrape')).toContain('--tool scrape needs --mcp SERVER');
  expect(await refused(...data, '--mcp', whole, '--environment', 'search')).toContain('leave --environment search out');
});
