import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { agentFolder, agentRecipe } from './agent-run.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';

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

test('P4, P8: an agent with a branch is trained on all its conversations, and is played again to the token', async () => {
  const command = `command: [${JSON.stringify(process.execPath)}, agent.mjs]`;
  const directory = await agentFolder({
    'agent.mjs': agent,
    'agent.yaml': agentRecipe('agent', command, 'length', 'workers: 1'),
  });

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
