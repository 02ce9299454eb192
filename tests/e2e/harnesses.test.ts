/** Runs recipes/harnesses as its README says, with a scripted model that knows the chain of pages, and a scripted judge. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { startScriptedEndpoint, type EndpointRequest } from '../fakes/scripted-endpoint.ts';
import { startScriptedJudge } from '../fakes/scripted-judge.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';

const folder = resolve(import.meta.dirname, '../../recipes/harnesses');
const rows = 4;
const answers = new Map<string, string>();

async function world(directory: string): Promise<void> {
  const made = startGradus(
    directory,
    'world',
    '--seed',
    '7',
    '--train',
    '10',
    '--held-out',
    `${rows}`,
    '--out',
    'world',
  );
  expect(await made.exit(), made.output()).toBe(0);
  const lines = (await readFile(join(directory, 'world/held_out.jsonl'), 'utf8')).trimEnd().split('\n');
  for (const line of lines) {
    const { question, answer } = JSON.parse(line) as { readonly question: string; readonly answer: string };
    answers.set(question, answer);
  }
}

const asked = ({ messages }: EndpointRequest): string =>
  messages.find(({ role }) => role === 'user')?.content.trim() ?? '';
const turnOf = ({ messages }: EndpointRequest): number => messages.filter(({ role }) => role === 'assistant').length;

/** The first answers are right, the last one is wrong. */
const answerOf = (request: EndpointRequest): string => {
  const known = answers.get(asked(request)) ?? 'nothing';
  return known === [...answers.values()].at(-1) ? 'Nowhere' : known;
};

function startJudge() {
  return startScriptedJudge({
    script: ({ messages }) => (messages.some(({ content }) => content.includes('Nowhere')) ? 'B' : 'A'),
  });
}

async function evaluated(directory: string, recipe: string, model: string, judge: string) {
  const set = [`model.endpoint.base_url=${model}`, `judges.main.base_url=${judge}`, `data.world.held_out=${rows}`];
  const options = set.flatMap((one) => ['--set', one]);
  const run = startGradus(directory, 'eval', recipe, '--out', 'out', ...options);
  expect(await run.exit(), run.output()).toBe(0);
  return await readJsonLines(join(directory, 'out/predictions.jsonl'));
}

const metrics = { 'grade.correct': { value: 3 / 4 }, exact_match: { value: 3 / 4 } };

test('ReAct: the model calls a tool a turn in the released format, after a thought', async () => {
  const directory = await temporaryDirectory('gradus-harness-');
  await world(directory);
  await using judge = await startJudge();
  await using model = await startScriptedEndpoint((request) =>
    turnOf(request) === 0
      ? `<think>\nI search.\n</think>\n\n<tool_call>\n${JSON.stringify({ name: 'websearch', arguments: { query: asked(request) } })}\n</tool_call>`
      : `<think>\nI know.\n</think>\n\n<answer>${answerOf(request)}</answer>`,
  );
  const lines = await evaluated(directory, join(folder, 'react.yaml'), model.baseUrl, judge.baseUrl);
  expect(lines.every(({ tool_calls: calls }) => calls === 1)).toBe(true);
  expect(await readJson(join(directory, 'out/summary.json'))).toMatchObject({ absent: [], metrics });
  const later = model.calls.map(({ request }) => request).find((request) => turnOf(request) === 1);
  expect(later?.messages.at(-1)?.content).toMatch(/^<tool_response>\n\[/);
});

test('the code agent: what the model writes is run, and its errors are read by the model', async () => {
  const directory = await temporaryDirectory('gradus-harness-');
  await cp(folder, directory, { recursive: true });
  await world(directory);
  const search = startGradus(
    directory,
    'serve',
    'retrieval',
    '--corpus',
    'world/corpus.jsonl',
    '--http',
    '127.0.0.1:0',
  );
  await search.says(/^\{[^\n]*"http":"127\.0\.0\.1:[1-9]/m);
  const [, port = ''] = /^\{[^\n]*"http":"127\.0\.0\.1:([1-9]\d*)/m.exec(search.output()) ?? [];
  process.env['SEARCH_URL'] = `http://127.0.0.1:${port}`;
  onTestFinished(() => void delete process.env['SEARCH_URL']);
  await using judge = await startJudge();
  const block = (...code: readonly string[]) => `A thought.\n\`\`\`python\n${code.join('\n')}\n\`\`\``;
  await using model = await startScriptedEndpoint((request) => {
    const turns = [
      block(`hits = websearch(${JSON.stringify(asked(request))})`, 'print(len(hits), sorted(hits[0]))'),
      block('print(scrape(hits[0]["id"]))', 'scrape("no such page")'),
      block('import os'),
      block('print(().__class__)'),
      'I forget to act.',
      block('try:', `    final_answer(${JSON.stringify(answerOf(request))})`, 'except Exception:', '    pass'),
    ];
    return turns[turnOf(request)] ?? '';
  });
  const lines = await evaluated(directory, 'code-agent.yaml', model.baseUrl, judge.baseUrl);
  expect(lines.every(({ turns, failure }) => turns === 6 && failure === null)).toBe(true);
  expect(await readJson(join(directory, 'out/summary.json'))).toMatchObject({ absent: [], metrics });
  const last = model.calls.map(({ request }) => request).find((request) => turnOf(request) === 5);
  const observed = last?.messages.flatMap(({ role, content }) => (role === 'user' ? [content] : [])).slice(1) ?? [];
  expect(observed[0]).toBe("Observation:\n10 ['id', 'preview', 'title']\n");
  expect(observed[1]).toMatch(/^Observation:\n.+\nValueError: no document has the id no such page\n$/s);
  expect(observed[2]).toContain('ImportError: os cannot be imported');
  expect(observed[3]).toContain('SyntaxError: attribute __class__ is private');
  expect(observed[4]).toContain('There was no block of code');
});

test("the code agent: what the model's code does to its process is read by the model, or ends the process", async () => {
  const directory = await temporaryDirectory('gradus-harness-');
  const source = await readFile(join(folder, 'code_agent.py'), 'utf8');
  const quick = source
    .replace('SECONDS_PER_TURN = 30', 'SECONDS_PER_TURN = 2')
    .replace('SECONDS_AFTER = 10', 'SECONDS_AFTER = 1');
  expect(quick.length).toBeLessThan(source.length);
  await writeFile(join(directory, 'code_agent.py'), quick);
  const search = createServer((_request, answer) => void answer.writeHead(404).end());
  await new Promise<void>((listening) => search.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void search.close());
  const address = search.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on a port');

  const block = (...code: readonly string[]) => `A thought.\n\`\`\`python\n${code.join('\n')}\n\`\`\``;
  const played = async (...turns: readonly string[]) => {
    await using model = await startScriptedEndpoint((request) => turns[turnOf(request)] ?? '');
    const result = join(directory, 'result.json');
    const agent = spawn('python3', ['code_agent.py'], {
      cwd: directory,
      env: {
        PATH: process.env['PATH'],
        OPENAI_BASE_URL: model.baseUrl,
        OPENAI_API_KEY: 'key',
        GRADUS_RESULT_FILE: result,
        SEARCH_URL: `http://127.0.0.1:${address.port}`,
      },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    onTestFinished(() => void agent.kill('SIGKILL'));
    agent.stdin.end(`${JSON.stringify({ data: { question: 'Who?' } })}\n`);
    const [code] = (await once(agent, 'exit')) as [number | null];
    const last = model.calls.at(-1)?.request.messages ?? [];
    const observed = last.flatMap(({ role, content }) => (role === 'user' ? [content] : [])).slice(1);
    return { code, observed, result };
  };

  const { code, observed, result } = await played(
    block('raise SystemExit'),
    block('raise SystemExit(1)'),
    block('raise KeyboardInterrupt'),
    block('many = [0] * 10**9'),
    block('while True:', '    try:', '        scrape("bad")', '    except Exception:', '        pass'),
    block('while True:', '    pass'),
    block('final_answer("Ann")'),
  );
  expect(observed.map((text) => text.replace('Observation:\n', '').trimEnd())).toEqual([
    'SystemExit:',
    'SystemExit: 1',
    'KeyboardInterrupt:',
    'MemoryError:',
    'TooLong: the code ran for more than 2 s',
    'TooLong: the code ran for more than 2 s',
  ]);
  expect(code).toBe(0);
  expect(await readJson(result)).toEqual({ prediction: 'Ann' });
  // Code that takes no signal: failed_exit of the recipe makes it the model's fault.
  expect(await played(block('sum(range(10**15))'))).toMatchObject({ code: 1 });
});
