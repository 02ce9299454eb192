/** Does what docs/how-to/evaluate-a-model.md says, with its own code blocks; its endpoint is a scripted one. */
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { readJson, readJsonLines, startGradus } from '../e2e/gradus-process.ts';
import { startScriptedEndpoint, type EndpointRequest } from '../fakes/scripted-endpoint.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const pageName = 'how-to/evaluate-a-model.md';
const blocks = docBlocks(pageName);
let commands: string[] = [];
beforeAll(async () => {
  const page = await readFile(join(repositoryRoot, 'docs', pageName), 'utf8');
  commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text.trim());
});

/** It reads both pages, one search after the other, and knows the answers then. */
function reader({ messages }: EndpointRequest): string {
  const asked = messages.filter(({ role }) => role === 'user');
  const wants = asked[0]?.content.startsWith('Where') === true ? 'Oslo' : 'Ann';
  const read = asked.map(({ content }) => content).join(' ');
  if (read.includes(wants)) return `<answer>${wants}</answer>`;
  return `<tool>{"name": "websearch", "args": {"query": "${read.includes('Ann') ? 'Ann' : 'Arrakeen Works'}"}}</tool>`;
}

async function folder(baseUrl: string): Promise<string> {
  const directory = await temporaryDirectory('gradus-how-to-');
  await symlink(join(repositoryRoot, 'policies'), join(directory, 'policies'));
  for (const [name, text] of blocks) await writeFile(join(directory, name), at(text, baseUrl));
  return directory;
}

const at = (text: string, baseUrl: string): string => text.replaceAll('http://127.0.0.1:8000/v1', baseUrl);

/** Runs a command of the page in the folder of its files. */
async function ran(directory: string, command: string, code = 0): Promise<string> {
  const words = [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain = '']) => single ?? double ?? plain,
  );
  const run = startGradus(directory, ...words.slice(1));
  expect(await run.exit(), run.output()).toBe(code);
  return run.output();
}

test('a model directory is evaluated as the page says', async () => {
  const directory = await folder('http://127.0.0.1:1/v1');
  await ran(directory, commands[0] ?? '');
  expect(await readJson(join(directory, 'results/summary.json'))).toMatchObject({
    rows: 2,
    rollouts: { asked: 8, absent: 0 },
  });
  expect(await readJsonLines(join(directory, 'results/predictions.jsonl'))).toHaveLength(8);
}, 300_000);

test('an endpoint is evaluated as the page says, with key and further fields', async () => {
  await using server = await startScriptedEndpoint(reader);
  const directory = await folder(server.baseUrl);
  process.env['ENDPOINT_KEY'] = 'sesame';
  onTestFinished(() => void delete process.env['ENDPOINT_KEY']);
  await ran(directory, at(commands[1] ?? '', server.baseUrl));
  expect(server.calls.every(({ headers }) => headers.authorization === 'Bearer sesame')).toBe(true);
  const report = await readJson(join(directory, 'answers/summary.json'));
  expect(report).toMatchObject({ rows: 2, rollouts: { n: 2 }, metrics: { exact_match: { value: 1 } } });
  expect((await readJsonLines(join(directory, 'answers/predictions.jsonl')))[0]).toMatchObject({
    model_tokens: null,
    not_given: ['token_ids', 'logprobs'],
  });

  await ran(directory, at(commands[2] ?? '', server.baseUrl));
  expect(server.calls.at(-1)?.request).toMatchObject({ chat_template_kwargs: { enable_thinking: false } });
  expect(await readJson(join(directory, 'plain/summary.json'))).toMatchObject({ rows: 1 });
}, 300_000);

test('published sets are evaluated as the page says, with what they record', async () => {
  const directory = await folder('http://127.0.0.1:1/v1');
  for (const [command = '', out] of [
    [commands[3], 'hotpotqa'],
    [commands[4], '2wiki'],
  ]) {
    await ran(directory, command);
    const { metrics } = (await readJson(join(directory, `${out}/summary.json`))) as { readonly metrics: object };
    expect(Object.keys(metrics)).toEqual(
      expect.arrayContaining(['exact_match', 'f1', 'hotpotqa_f1', 'gold_found', 'gold_fetched']),
    );
  }
}, 300_000);

test('SimpleQA is graded, judged again, and asked over MCP as the page says', async () => {
  let isOut = true;
  await using server = await startScriptedEndpoint((request) => {
    const whole = request.messages.map(({ content }) => content).join('\n');
    if (whole.includes('You grade an answer')) return isOut ? 'It depends.' : 'A';
    if (whole.includes('google_search') && request.messages.length < 4)
      return '<tool>{"name": "google_search", "args": {"q": "Arrakeen Works", "gl": "us", "hl": "en"}}</tool>';
    return reader(request);
  });
  const directory = await folder(server.baseUrl);
  const page = (index: number) => at(commands[index] ?? '', server.baseUrl);
  await ran(directory, page(5), 4);
  const absent = { component: 'grade', reason: 'unparsable' };
  expect(await readJson(join(directory, 'simpleqa/summary.json'))).toMatchObject({ absent: [absent, absent] });
  isOut = false;
  await ran(directory, page(7));
  expect(await readJson(join(directory, 'regraded/summary.json'))).toMatchObject({
    absent: [],
    metrics: { 'grade.correct': { value: 1 }, 'grade.f1': { value: 1 } },
    rejudged: { asked: 2, judged: 2 },
  });
  await ran(directory, page(6).replace('gradus mcp', `${join(repositoryRoot, 'services/cli/bin/gradus')} mcp`));
  expect(await readJsonLines(join(directory, 'mcp/predictions.jsonl'))).toMatchObject([
    { prediction: expect.any(String), failure: null, absent: null },
  ]);
}, 300_000);

test('the recipe of the page runs, and its gate goes by pass@4', async () => {
  await using server = await startScriptedEndpoint(reader);
  const directory = await folder(server.baseUrl);
  const plan = await ran(directory, 'gradus run recipe.yaml --dry-run');
  expect(plan).toContain('gate of held-out: sampled.pass@4 >= 0.5, else stop');
  expect(plan).not.toContain('problem:');
  await ran(directory, 'gradus run recipe.yaml --run-id page');
  expect(await readJson(join(directory, 'runs/page/stages/held-out/summary.json'))).toMatchObject({
    rollouts: { asked: 8, n: 8 },
    metrics: { 'pass@4': { value: 1, rows: 2 } },
  });
  expect(await readJson(join(directory, 'runs/page/summary.json'))).toMatchObject({
    policy: 'endpoint',
    state: 'finished',
  });
}, 300_000);
