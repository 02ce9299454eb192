import { cp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';

const nano = resolve(import.meta.dirname, '../../policies/nano');
const packages = resolve(import.meta.dirname, '../../node_modules');

/** Asks three times, of which one begins a branch; rewards vary with what a policy writes that knows nothing of it. */
const agent = `
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { createRequire } from 'node:module';
const OpenAI = createRequire(${JSON.stringify(`${packages}/`)})('openai');
const { data } = JSON.parse(await text(process.stdin));
const client = new OpenAI();
const ask = async (messages) => (await client.chat.completions.create({ model: 'any', messages })).choices[0].message;
const main = [{ role: 'user', content: data.word }];
const first = await ask(main);
main.push(first, { role: 'user', content: 'And?' });
await ask([{ role: 'user', content: 'In short: ' + first.content.slice(0, 20) }]);
await ask(main);
writeFileSync(process.env.GRADUS_RESULT_FILE, JSON.stringify({ rewards: { length: (first.content.length % 7) / 6 } }));
`;

const recipe = `
name: agent
seed: 5
model: { path: ./model }
data: { rows: { format: plain, train: rows.jsonl, held_out: 2 } }
environment: { name: agent, options: { command: [${JSON.stringify(process.execPath)}, agent.mjs], rewards: [length] } }
fleet: { workers: 1, concurrency: 8, engine: { max_context: 256, max_running: 32, threads: 1 }, learner: { threads: 1 } }
eval: { questions: 2, sampled: true, greedy: false }
stages:
  - name: asked
    limits: { context_tokens: 256, max_turns: 4, max_new_tokens: 16, tool_timeout_ms: 60000, turn_timeout_ms: 120000, rollout_timeout_ms: 300000 }
    deadlines: { group_ms: 600000, step_ms: 1200000 }
    rewards: { length: 1 }
    batch: { groups: 2, group_size: 4 }
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-4 }
    until: { steps: 2 }
`;

test('P4, P8: an agent with a branch is trained on all its conversations, and is played again to the token', async () => {
  const directory = await temporaryDirectory('gradus-agent-e2e-');
  await cp(nano, join(directory, 'model'), { recursive: true });
  const template =
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}{{ 'assistant: ' }}";
  await writeFile(join(directory, 'model', 'chat_template.jinja'), template);
  const rows = Array.from({ length: 8 }, (_, index) => ({ id: `r${index}`, data: { word: `word${index}` } }));
  await writeFile(join(directory, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await writeFile(join(directory, 'agent.mjs'), agent);
  await writeFile(join(directory, 'agent.yaml'), recipe);

  const run = startGradus(directory, 'run', 'agent.yaml', '--run-id', 'agent');
  expect(await run.exit(), run.output()).toBe(0);
  const home = join(directory, 'runs', 'agent');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0 },
  });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps).toHaveLength(2);
  for (const step of steps) {
    expect(step['token_mismatches']).toBe(0);
    expect(step['environment/conversations']).toBe(2);
    // What was sampled in both conversations, and nothing else.
    expect(Number(step['train/model_tokens'])).toBeCloseTo(Number(step['completion_length/mean']) * 8, 6);
  }
  const replay = startGradus(directory, 'rollout', 'replay', '--run', 'agent');
  expect(await replay.exit(), replay.output()).toBe(0);
  expect(replay.output()).toContain('identical: ');
});
