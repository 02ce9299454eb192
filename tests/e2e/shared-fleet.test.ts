import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { startGradus } from './gradus-process.ts';

const model = resolve(repositoryRoot, 'policies/nano');

/** Nothing trains: each run plays its rows once, with a policy that is slow enough for runs to meet. */
const recipe = `
name: shared
model: { path: ${model} }
data: { world: { seed: 7, train: 24, held_out: 20 } }
environment: { name: search, options: { top_k: 2, preview_characters: 150, max_document_characters: 1000 } }
fleet:
  workers: 1
  concurrency: 16
  max_open_rollouts: 40
  max_runs: 3
  engine: { kind: scripted, max_context: 1024, max_running: 64 }
  scripted: { turns: 3, latency_median_ms: 300 }
eval: { questions: 2, greedy: false }
stages:
  - name: play
    kind: eval
    limits: { context_tokens: 640, max_turns: 8, max_new_tokens: 96, tool_timeout_ms: 5000, turn_timeout_ms: 60000, rollout_timeout_ms: 240000 }
    deadlines: { group_ms: 600000, stage_ms: 850000 }
    rewards: { exact_match: 1.0 }
    prompts: { of: train }
    samples: 4
`;

interface Fleet {
  readonly services: readonly { readonly service: string; readonly grpc?: string }[];
}

test('P1: runs that share a fleet get their parts by priority, none starves, both end and nothing is lost', async () => {
  const directory = await temporaryDirectory('gradus-shared-');
  await writeFile(join(directory, 'shared.yaml'), recipe);
  const up = startGradus(directory, 'up', 'shared.yaml');
  await up.says(/the fleet is up/);
  const fleet: Fleet = JSON.parse(await readFile(join(directory, 'runs/fleet.json'), 'utf8'));
  const server = fleet.services.find(({ service }) => service === 'coordinator')?.grpc ?? '';
  const submit = async (runId: string, priority: string) => {
    const sent = startGradus(
      directory,
      'submit',
      'shared.yaml',
      '--server',
      server,
      '--run-id',
      runId,
      '--priority',
      priority,
    );
    expect(await sent.exit(), sent.output()).toBe(0);
  };
  await Promise.all([submit('low', '1'), submit('high', '4')]);
  const followers = ['high', 'low'].map((runId) =>
    startGradus(directory, 'logs', runId, '--follow', '--server', server),
  );
  for (const follower of followers) expect(await follower.exit(), follower.output()).toBe(0);
  const [high = '', low = ''] = followers.map((follower) => follower.output());
  for (const text of [high, low]) expect(text).toMatch(/ finished\n$/);
  const endOf = (text: string): string => text.trimEnd().split('\n').at(-1)?.split(' ')[0] ?? '';
  // Both have as much to do, and began together: four times the share ends first.
  expect(endOf(high) < endOf(low), `high ended at ${endOf(high)}, low at ${endOf(low)}`).toBe(true);
  for (const runId of ['high', 'low']) {
    const summary: unknown = JSON.parse(await readFile(join(directory, 'runs', runId, 'summary.json'), 'utf8'));
    expect(summary).toMatchObject({ state: 'finished', rollouts: { lost: 0, duplicated: 0, failedInfra: 0 } });
  }
});
