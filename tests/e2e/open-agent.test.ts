import { cp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { sleep } from '#platform/async/sleep.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { ask, post, report } from '../agents/webhook-server.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { readJson, readJsonLines, startGradusBy } from './gradus-process.ts';

const nano = resolve(import.meta.dirname, '../../policies/nano');

const recipe = (listen: string): string => `
name: open
seed: 5
model: { path: ./model }
data: { rows: { format: plain, train: rows.jsonl, held_out: 2 } }
environment:
  name: agent
  options: { open: { key_env: OPEN_KEY, wait_ms: 60000 }, sessions: { listen: "${listen}" }, rewards: [thumbs], reward_timeout_ms: 50000 }
fleet: { workers: 2, gateways: 2, concurrency: 8, engine: { max_context: 256, max_running: 32, threads: 1 }, learner: { threads: 1 } }
eval: { questions: 2, sampled: true, greedy: false }
stages:
  - name: asked
    limits: { context_tokens: 256, max_turns: 4, max_new_tokens: 16, tool_timeout_ms: 60000, turn_timeout_ms: 120000, rollout_timeout_ms: 300000 }
    deadlines: { group_ms: 600000, step_ms: 1200000 }
    rewards: { thumbs: 1 }
    batch: { groups: 2, group_size: 4 }
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-4 }
    until: { steps: 2 }
`;

const opened = z.object({ base_url: z.url(), session_url: z.url(), api_key: z.string() });

test('P4: sessions that others open at the gateway are trained on, with the rewards that they attach later', async () => {
  const directory = await temporaryDirectory('gradus-open-e2e-');
  await cp(nano, join(directory, 'model'), { recursive: true });
  const template =
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}{{ 'assistant: ' }}";
  await writeFile(join(directory, 'model', 'chat_template.jinja'), template);
  const rows = Array.from({ length: 8 }, (_, index) => ({ id: `r${index}`, data: { word: `word${index}` } }));
  await writeFile(join(directory, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const listen = `127.0.0.1:${await lastingPort()}`;
  await writeFile(join(directory, 'open.yaml'), recipe(listen));

  const run = startGradusBy(['env', 'OPEN_KEY=sesame'], directory, 'run', 'open.yaml', '--run-id', 'open');
  const over = new AbortController();
  const exit = run.exit().finally(() => over.abort());
  const client = async (): Promise<void> => {
    // An episode may not wait yet.
    for (; !over.signal.aborted; await sleep(50)) {
      try {
        const { status, json } = await post(`http://${listen}/sessions`, 'sesame');
        if (status !== 200) continue;
        const session = opened.parse(json);
        const { json: turn } = await ask(session, 'Which word?');
        await report(session, 'result', {});
        await report(session, 'rewards', { thumbs: (JSON.stringify(turn).length % 7) / 6 });
      } catch {
        // The fleet is starting or ending.
      }
    }
  };
  const clients = Array.from({ length: 8 }, client);
  expect(await exit, run.output()).toBe(0);
  await Promise.all(clients);
  const home = join(directory, 'runs', 'open');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0 },
  });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps).toHaveLength(2);
  for (const step of steps) expect(step).toMatchObject({ token_mismatches: 0, 'environment/conversations': 1 });
});
