import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import {
  startScriptedEndpoint,
  type EndpointReply,
  type EndpointRequest,
  type ScriptedEndpoint,
} from '../fakes/scripted-endpoint.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

/** A folder with a row for each question, whose answer is always Ann, and a corpus that says so. */
async function workplace(questions: readonly string[]): Promise<string> {
  const directory = await temporaryDirectory('gradus-endpoint-');
  await writeFile(
    join(directory, 'rows.jsonl'),
    jsonLines(questions.map((question) => ({ id: question, question, answer: 'Ann' }))),
  );
  await writeFile(join(directory, 'corpus.jsonl'), jsonLines([{ id: 'p0', contents: 'Ann\nAnn founded it.' }]));
  return directory;
}

function startEval(directory: string, server: ScriptedEndpoint, ...more: readonly string[]) {
  const data = ['--data', 'rows.jsonl', '--corpus', 'corpus.jsonl', '--out', 'out'];
  return startGradus(directory, 'eval', '--endpoint', server.baseUrl, '--model', 'm', ...data, ...more);
}

const questionOf = ({ messages }: EndpointRequest): string =>
  messages.find(({ role }) => role === 'user')?.content ?? '';
const search = 'I look it up. <tool>{"name": "websearch", "args": {"query": "founded"}}</tool> I wait for it.';

it('P2, P9: an endpoint is evaluated; what it fails at is asked again within bounds, then absent with the reason', async () => {
  const refused: Record<string, EndpointReply> = {
    down: { status: 503, body: 'overloaded' },
    empty: { fault: 'empty_choice' },
  };
  const faults = new Map<string, EndpointReply[]>([
    ['late', [{ status: 429, headers: { 'retry-after': '1' }, body: 'slow down' }]],
    ['flaky', [{ status: 502, body: 'bad gateway' }, { fault: 'cut' }, { fault: 'no_choice' }]],
  ]);
  await using server = await startScriptedEndpoint((request) => {
    const question = questionOf(request);
    const always = refused[question];
    const once = faults.get(question)?.shift();
    if (once !== undefined || always !== undefined) return once ?? always ?? '';
    if (question === 'wrong') return '<answer>Bob</answer>';
    return request.messages.length === 2 ? search : '<answer>Ann</answer>';
  });
  const answered = ['right', 'wrong', 'late', 'flaky'];
  const directory = await workplace([...answered, ...Object.keys(refused)]);
  const run = startEval(directory, server);
  expect(await run.exit(), run.output()).toBe(0);

  const report = await readJson(join(directory, 'out/summary.json'));
  expect(report).toMatchObject({
    rows: 6,
    rollouts: { asked: 6, n: 4, absent: 2 },
    absences: { policy_unavailable: 2 },
    metrics: {
      exact_match: { value: 0.75, rows: 4 },
      'avg@1': { value: 0.75, rows: 4 },
      'pass@1': { value: 0.75, rows: 4, interval: 'wilson' },
    },
  });
  const predictions = await readJsonLines(join(directory, 'out/predictions.jsonl'));
  const row = (id: string) => predictions.find((each) => each.id === id);
  expect(row('right')).toMatchObject({
    prediction: 'Ann',
    turns: 2,
    tool_calls: 1,
    reward: 1,
    absent: null,
    model_tokens: null,
    not_given: ['token_ids', 'logprobs'],
  });
  expect(row('wrong')).toMatchObject({ prediction: 'Bob', reward: 0 });
  expect(row('down')).toMatchObject({ absent: 'policy_unavailable', reward: null, components: {} });
  const details: Record<string, RegExp> = {
    down: /answered 503: overloaded/,
    empty: /answered 200 and an empty choice/,
  };
  for (const [id, detail] of Object.entries(details)) expect(row(id)?.absent_detail, id).toMatch(detail);

  const asked = (id: string): EndpointRequest[] =>
    server.calls.map(({ request }) => request).filter((request) => questionOf(request) === id);
  // The model's words behind its call are no part of the turn, and the result is what the tool said.
  expect(asked('right')[1]?.messages.slice(1)).toEqual([
    { role: 'user', content: 'right' },
    { role: 'assistant', content: search.slice(0, search.indexOf('</tool>') + 7) },
    { role: 'user', content: expect.stringContaining('[p0] Ann') },
  ]);
  // In place and delivered again, no more: 5 x 5.
  expect(asked('down').length).toBeLessThanOrEqual(25);
}, 600_000);

it('an endpoint that refuses is named before anything starts, without the key', async () => {
  const said = JSON.stringify({ error: { message: 'Incorrect API key provided: sk-sesame' } });
  await using server = await startScriptedEndpoint(() => ({ status: 401, body: said }));
  const directory = await workplace(['right']);
  const run = startEval(directory, server, '--api-key-env', 'THE_KEY');
  expect(await run.exit()).toBe(2);
  expect(run.output()).toContain('model.endpoint.api_key_env: variable THE_KEY is empty or not set; set it');
  expect(server.calls).toHaveLength(0);

  process.env['THE_KEY'] = 'sk-sesame';
  onTestFinished(() => void delete process.env['THE_KEY']);
  const refused = startEval(directory, server, '--api-key-env', 'THE_KEY');
  expect(await refused.exit()).toBe(2);
  expect(refused.output()).toMatch(
    /\/v1\/chat\/completions answered 401: Incorrect API key .*check the key in THE_KEY/,
  );
  expect(refused.output()).not.toContain('started');
  expect(refused.output()).not.toContain('sesame');

  const body =
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
  await using newer = await startScriptedEndpoint(() => ({ status: 400, body }));
  const unnamed = startEval(directory, newer);
  expect(await unnamed.exit()).toBe(2);
  expect(unnamed.output()).toContain(
    'instead.; set max_tokens_field: max_completion_tokens (gradus eval: --max-tokens-field)',
  );
}, 600_000);

it('P1: one that refuses in the middle ends the run at once; the same command goes on and asks only for what is missing', async () => {
  let refuses = false;
  let answers = 0;
  await using server = await startScriptedEndpoint((request, call) => {
    if (call === 1) return 'Hello';
    if (answers >= 3 && !refuses) refuses = true;
    if (refuses) return { status: 404, body: '{"error": {"message": "The model `m` does not exist."}}' };
    answers += 1;
    return `<answer>${questionOf(request)}</answer>`;
  });
  process.env['THE_KEY'] = 'sk-sesame';
  onTestFinished(() => void delete process.env['THE_KEY']);
  const directory = await workplace(Array.from({ length: 6 }, (_, index) => `q${index}`));
  const newer = ['--max-tokens-field', 'max_completion_tokens'];
  const options = ['--api-key-env', 'THE_KEY', '--concurrency', '1', ...newer];
  const run = startEval(directory, server, ...options);
  expect(await run.exit(), run.output()).toBe(3);
  expect(run.output()).toMatch(/answered 404: The model `m` does not exist\.; check that model m is served there/);
  // Not asked again and again: one for each rollout that was on its way.
  expect(server.calls.length).toBeLessThan(1 + 3 + 7);

  refuses = false;
  answers = -100;
  const before = server.calls.length;
  const again = startEval(directory, server, ...options);
  expect(await again.exit(), again.output()).toBe(0);
  expect(await readJson(join(directory, 'out/summary.json'))).toMatchObject({
    rollouts: { asked: 6, n: 6, absent: 0 },
  });
  expect(server.calls.length - before).toBe(3);
  expect(server.calls.every(({ headers }) => headers.authorization === 'Bearer sk-sesame')).toBe(true);
  expect(server.calls.every(({ request }) => request.max_tokens === undefined && request.max_completion_tokens)).toBe(
    true,
  );
  // The key is nowhere in what was written.
  for (const file of await readdir(join(directory, 'out'), { recursive: true, withFileTypes: true }))
    if (file.isFile()) expect(await readFile(join(file.parentPath, file.name), 'latin1')).not.toContain('sk-sesame');
}, 600_000);
