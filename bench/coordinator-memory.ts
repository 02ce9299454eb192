/**
 * Memory of the coordinator while a run grows to 50,000 rollouts: scripted policy and learner, everything else real (P6).
 * Prints JSON: resident memory of the coordinator by rollouts that came back.
 *
 *   npx node bench/coordinator-memory.ts [STEPS]      (default 98: of 512 rollouts each)
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { readProcessUsage } from '../services/cli/bench/process-usage.ts';

const steps = Number(process.argv[2] ?? 98);
const groups = 64;
const groupSize = 8;
const root = join(import.meta.dirname, '..');
const home = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
const limits = {
  context_tokens: 640,
  max_turns: 3,
  max_new_tokens: 96,
  turn_timeout_ms: 60_000,
  rollout_timeout_ms: 300_000,
};
const recipe = {
  name: 'coordinator-memory',
  model: { path: join(root, 'policies/nano') },
  data: { world: { seed: 7, train: 2000, held_out: 40 } },
  environment: { name: 'search' },
  fleet: {
    workers: 1,
    engines: 1,
    engine: { kind: 'scripted', max_context: 1024, max_running: 1024 },
    learner: { kind: 'scripted' },
    scripted: { turns: 3, latency_median_ms: 0, step_ms: 1 },
  },
  eval: { questions: 5, sampled: true, greedy: false },
  stages: [
    {
      name: 'play',
      limits,
      deadlines: { group_ms: 600_000, step_ms: 1_200_000 },
      rewards: { exact_match: 1 },
      batch: { groups, group_size: groupSize, max_generation_batches: 1 },
      algorithm: { dynamic_sampling: false },
      until: { steps },
    },
  ],
};

async function coordinatorPid(): Promise<number> {
  const file: unknown = JSON.parse(await readFile(join(home, 'fleet.json'), 'utf8'));
  const services = (file as { services: { label: string; pid: number }[] }).services;
  return services.find(({ label }) => label.startsWith('coordinator'))?.pid ?? 0;
}

try {
  const path = join(home, 'recipe.yaml');
  await writeFile(path, stringify(recipe));
  const run = spawn(join(root, 'services/cli/bin/gradus'), ['run', path, '--json', '--home', home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const startedMs = performance.now();
  const samples: { rollouts: number; residentMebibytes: number }[] = [];
  let nextAt = 1000;
  for await (const line of createInterface({ input: run.stdout })) {
    const status = JSON.parse(line) as { step?: number; rollouts_done?: number };
    const rollouts = (status.step ?? 0) * groups * groupSize;
    if (rollouts < nextAt) continue;
    const usage = readProcessUsage(await coordinatorPid().catch(() => 0));
    if (usage === undefined) continue;
    samples.push({ rollouts, residentMebibytes: Math.round(usage.residentBytes / 2 ** 20) });
    process.stderr.write(`${rollouts} rollouts: ${samples.at(-1)?.residentMebibytes} MiB\n`);
    nextAt = rollouts + 2 * groups * groupSize;
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  process.stdout.write(`${JSON.stringify({ machine: machineFacts(), seconds, samples }, undefined, 2)}\n`);
} finally {
  await rm(home, { recursive: true, force: true });
}
