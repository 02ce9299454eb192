import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { sleep } from '#platform/async/sleep.ts';
import { ask, post, report } from '../agents/webhook-server.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { agentFolder, agentRecipe } from './agent-run.ts';
import { readJson, readJsonLines, startGradusBy } from './gradus-process.ts';

const opened = z.object({ base_url: z.url(), session_url: z.url(), api_key: z.string() });

test('P4: sessions that others open at the gateway are trained on, with the rewards that they attach later', async () => {
  const listen = `127.0.0.1:${await lastingPort()}`;
  const options = `open: { key_env: OPEN_KEY, wait_ms: 60000 }, sessions: { listen: "${listen}" }, reward_timeout_ms: 50000`;
  const directory = await agentFolder({
    'open.yaml': agentRecipe('open', options, 'thumbs', 'workers: 2, gateways: 2'),
  });

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
