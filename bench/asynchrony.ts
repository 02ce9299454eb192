/**
 * Asynchronous against synchronous: the first stage of recipes/demo.yaml with `max_staleness` 0, 1 and 2, engine and learner
 * on one thread each. Runs alternate, so that a machine that is busy with other things is busy for all of them. `--scripted`
 * does the same with the scripted policy and learner: turns take a log-normal time (median 0.4 s, sigma 1), a training
 * step 6 s, and neither takes a processor from the other.
 *
 *   npx node bench/asynchrony.ts [--staleness 0,1,2] [--rounds 2] [--first-round 1] [--steps 12] [--questions 100] [--home DIR] [--scripted] [--report]
 *
 * Prints one JSON object; shares are of the time in steps, evaluations not counted. `--report` reads finished runs of DIR.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { machineFacts } from '#platform/runtime/machine-facts.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    staleness: { type: 'string', default: '0,1,2' },
    rounds: { type: 'string', default: '2' },
    'first-round': { type: 'string', default: '1' },
    steps: { type: 'string', default: '12' },
    questions: { type: 'string', default: '100' },
    home: { type: 'string' },
    scripted: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
  },
});
const home = resolve(values.home ?? (await mkdtemp(join(tmpdir(), 'gradus-asynchrony-'))));
const arms = values.staleness.split(',').map(Number);

interface Line {
  readonly kind: string;
  readonly [metric: string]: string | number;
}

const recipes = z.looseObject({
  stages: z.array(z.record(z.string(), z.unknown())),
  fleet: z.looseObject({}),
  eval: z.looseObject({}),
});

async function writeRecipe(staleness: number): Promise<string> {
  const file = values.scripted ? 'recipes/rollouts-scripted.yaml' : 'recipes/demo.yaml';
  const base = recipes.parse(parse(await readFile(join(root, file), 'utf8'), { merge: true }));
  const scripted = { turns: 3, right_probability: 0.5, latency_median_ms: 400, latency_sigma: 1, step_ms: 6000 };
  const real = { engine: { max_context: 1024, threads: 1 }, learner: { threads: 1 } };
  const recipe = {
    ...base,
    name: `staleness-${staleness}`,
    model: { path: join(root, 'policies/nano') },
    fleet: { ...base.fleet, workers: 1, engines: 1, ...(values.scripted ? { scripted } : real) },
    eval: values.scripted
      ? base.eval
      : { questions: Number(values.questions), sampled: true, greedy: false, every_steps: 4 },
    stages: [{ ...base.stages[0], max_staleness: staleness, until: { steps: Number(values.steps) } }],
  };
  const path = join(home, `${recipe.name}.yaml`);
  await writeFile(path, JSON.stringify(recipe, null, 2));
  return path;
}

async function train(staleness: number, round: number): Promise<void> {
  const recipe = await writeRecipe(staleness);
  const runId = `staleness-${staleness}-round-${round}`;
  const flags = ['run', recipe, '--home', home, '--run-id', runId, '--json'];
  const child = spawn(process.execPath, [join(root, 'services/cli/main.ts'), ...flags], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${runId} ended with ${code}; its logs are in ${join(home, runId, 'logs')}`);
}

/** Time in steps until a held-out score is reached, interpolated between evaluations; undefined when it never is. */
function secondsTo(score: number, curve: readonly { seconds: number; score: number }[]): number | undefined {
  for (const [index, point] of curve.entries()) {
    if (point.score < score) continue;
    const before = curve[index - 1];
    if (before === undefined) return point.seconds;
    return before.seconds + ((score - before.score) / (point.score - before.score)) * (point.seconds - before.seconds);
  }
  return undefined;
}

async function readRun(runId: string) {
  const text = await readFile(join(home, runId, 'metrics.jsonl'), 'utf8');
  const lines = text
    .trim()
    .split('\n')
    .map((line): Line => JSON.parse(line));
  const steps = lines.filter(({ kind }) => kind === 'step');
  const sum = (name: string) => steps.reduce((total, line) => total + Number(line[name] ?? 0), 0);
  const seconds = sum('time/step');
  const curve: { seconds: number; score: number }[] = [];
  let passed = 0;
  for (const line of lines) {
    if (line.kind === 'step') passed += Number(line['time/step']);
    else if (line['name'] !== 'baseline') curve.push({ seconds: passed, score: Number(line['sampled.reward']) });
  }
  return {
    runId,
    staleness: Number(/^staleness-(\d+)/.exec(runId)?.[1]),
    steps: steps.length,
    secondsPerStep: seconds / steps.length,
    learnerWaitShare: sum('time/learner_wait') / seconds,
    engineWaitShare: sum('time/engine_wait') / seconds,
    trainSecondsPerStep: sum('time/train') / steps.length,
    rolloutSecondsPerStep: sum('time/rollout') / steps.length,
    meanInFlight: sum('rollouts/in_flight') / steps.length,
    offPolicyMean: sum('off_policy/mean') / steps.length,
    offPolicyMax: Math.max(...steps.map((line) => Number(line['off_policy/max']))),
    curve,
  };
}

const started = machineFacts();
if (!values.report) {
  const first = Number(values['first-round']);
  for (let round = first; round < first + Number(values.rounds); round++) {
    // There and back, so that a drift of the machine's load favours nobody.
    for (const staleness of round % 2 === 1 ? arms : arms.toReversed()) await train(staleness, round);
  }
}
const names = (await readdir(home)).filter((name) => /^staleness-\d+-round-\d+$/.test(name)).sort();
const runs = await Promise.all(names.map(readRun));
// The highest score that every run reached.
const score = Math.min(...runs.map(({ curve }) => Math.max(...curve.map((point) => point.score))));
const measured = runs.map((run) => ({ ...run, secondsToScore: secondsTo(score, run.curve) }));
process.stdout.write(`${JSON.stringify({ started, ended: machineFacts(), home, score, runs: measured }, null, 2)}\n`);
