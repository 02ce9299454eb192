import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { startScriptedEndpoint } from '../fakes/scripted-endpoint.ts';
import { readJson, startGradus } from './gradus-process.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

const packages = resolve(import.meta.dirname, '../../node_modules');
const agent = `
import { text } from 'node:stream/consumers';
import { createRequire } from 'node:module';
const OpenAI = createRequire(${JSON.stringify(`${packages}/`)})('openai');
const { data } = JSON.parse(await text(process.stdin));
const messages = [{ role: 'user', content: data.question }];
const { choices } = await new OpenAI().chat.completions.create({ model: 'any', messages });
await new OpenAI().chat.completions.create({ model: 'any', messages: [...messages, choices[0].message, { role: 'user', content: 'Sure?' }] });
`;

const recipe = (baseUrl: string): string => `
name: closed
model: { endpoint: { base_url: "${baseUrl}", model: m } }
data: { rows: { format: plain, train: rows.jsonl, held_out: 2 } }
environment: { name: agent, options: { command: [${JSON.stringify(process.execPath)}, agent.mjs] } }
fleet: { workers: 1, concurrency: 4 }
stages:
  - name: asked
    kind: eval
    limits: { context_tokens: 1024, max_new_tokens: 64, tool_timeout_ms: 60000, turn_timeout_ms: 120000, rollout_timeout_ms: 300000 }
    deadlines: { group_ms: 600000, stage_ms: 1200000 }
    rewards: { exact_match: 1 }
`;

test('a closed model is evaluated with an agent of the environment that trains others', async () => {
  await using server = await startScriptedEndpoint(({ messages }) =>
    messages[0]?.content === 'Who is first?' ? 'Ann' : 'Bob',
  );
  const directory = await temporaryDirectory('gradus-agent-endpoint-');
  const questions = ['Who is first?', 'Who is next?', 'Who is second?', 'Who is third?'];
  const rows = questions.map((question, index) => ({ id: `r${index}`, data: { question }, gold: { answer: 'Ann' } }));
  await writeFile(join(directory, 'rows.jsonl'), jsonLines(rows));
  await writeFile(join(directory, 'agent.mjs'), agent);
  await writeFile(join(directory, 'closed.yaml'), recipe(server.baseUrl));
  const run = startGradus(directory, 'run', 'closed.yaml', '--run-id', 'closed');
  expect(await run.exit(), run.output()).toBe(0);
  expect(await readJson(join(directory, 'runs', 'closed', 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, failedInfra: 0 },
  });
  const asked = server.calls
    .map(({ request }) => request.messages)
    .filter(([first]) => first?.content.startsWith('Who'));
  expect(asked.map(({ length }) => length).toSorted((a, b) => a - b)).toEqual([1, 1, 3, 3]);
});
