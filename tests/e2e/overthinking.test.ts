/** The study of thought and search filters over recipes/overthinking.yaml, with a scripted model that narrows its search when it thinks. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { startScriptedEndpoint, type EndpointRequest } from '../fakes/scripted-endpoint.ts';
import { startGradus } from './gradus-process.ts';

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** Two questions about the founder; the second page is full of the year that a model that thinks adds. */
const hotpotqa = ['Who is the founder?', 'Name the founder.'].map((question, index) => ({
  _id: `h${index}`,
  question,
  answer: 'Ann',
  type: 'bridge',
  level: 'easy',
  supporting_facts: [['Ann', 0]],
  context: [
    ['Ann', ['Ann is the founder of the works in the valley.']],
    ['Chronicle', ['2001 was a year, and 2001 came after 2000; in 2001 it was 2001.']],
  ],
}));

const isFirst = ({ messages }: EndpointRequest): boolean => messages.every(({ role }) => role !== 'assistant');
const call = (query: string) => `<tool_call>${JSON.stringify({ name: 'websearch', arguments: { query } })}</tool_call>`;

test('a table over evaluations says what thinking costs, and which filters excluded the right page', async () => {
  const directory = await temporaryDirectory('gradus-overthinking-');
  await writeFile(join(directory, 'rows.json'), JSON.stringify(hotpotqa));
  await using plain = await startScriptedEndpoint((request) =>
    isFirst(request) ? call('founder') : '<answer>Ann</answer>',
  );
  await using thinking = await startScriptedEndpoint((request) =>
    isFirst(request)
      ? `<think>It must have been in 2001.</think>${call('founder 2001')}`
      : `<answer>${request.messages.some(({ content }) => content.includes('Name the')) ? 'Bob' : 'Ann'}</answer>`,
  );
  const evaluate = async (out: string, url: string, think: string) => {
    const set = [
      `model.endpoint.base_url=${url}`,
      `environment.options.think=${think}`,
      'environment.options.top_k=1',
      'stages.0.prompts.of=all',
      `data={rows: {format: hotpotqa, train: ${join(directory, 'rows.json')}, held_out: 1}}`,
    ];
    const options = set.flatMap((one) => ['--set', one]);
    const evaluated = startGradus(directory, 'eval', join(root, 'recipes/overthinking.yaml'), '--out', out, ...options);
    expect(await evaluated.exit(), evaluated.output()).toBe(0);
  };
  await evaluate('off', plain.baseUrl, 'violation');
  await evaluate('on', thinking.baseUrl, 'allowed');
  const folders = ['off', 'on'].map((name) => `${name}=${join(directory, name)}`);
  const { stdout } = await run(process.execPath, [join(root, 'bench/overthinking/main.ts'), ...folders], {
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  });
  const [off = [], on = []] = stdout
    .trimEnd()
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()));
  // Accuracy, attempted, wrong; then searches, with filters, excluding.
  expect([off[1], ...off.slice(3, 6), ...off.slice(7, 10)]).toEqual([
    'off',
    '100.0 % (34.2..100.0)',
    '100.0 %',
    '0.0 %',
    '1.00',
    '0.0 %',
    '0',
  ]);
  expect([on[1], ...on.slice(3, 6), ...on.slice(7, 10)]).toEqual([
    'on',
    '50.0 % (9.5..90.5)',
    '100.0 %',
    '50.0 %',
    '1.00',
    '100.0 %',
    '2',
  ]);
  await expect(run(process.execPath, [join(root, 'bench/overthinking/main.ts')])).rejects.toMatchObject({ code: 2 });

  const summaryFile = join(directory, 'on/summary.json');
  const summary = await readFile(summaryFile, 'utf8');
  const refused = async (changed: string, message: string) => {
    await writeFile(summaryFile, changed);
    await expect(run(process.execPath, [join(root, 'bench/overthinking/main.ts'), ...folders])).rejects.toMatchObject({
      stderr: expect.stringContaining(message),
      stdout: '',
    });
  };
  await refused(summary.replaceAll('"exact_match": {', '"left_out": {'), 'no metric exact_match');
  const lacking = `{ "id": "h0", "sample": 0, "rollout": "r", "component": "exact_match", "reason": "timeout", "detail": "" }`;
  await refused(summary.replace('"absent": []', `"absent": [${lacking}]`), '1 answers have no exact_match');
});
