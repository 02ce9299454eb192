/**
 * What each stage of a recipe is worth: the recipe as it is, and controls that leave a stage out, do all in one stage, or reward a coin, each in as
 * many steps. The rows of a control's last evaluation are compared one by one with those of the whole recipe of the same seed.
 *
 *   npx node bench/stage-controls.ts [--plan bench/stage-controls/demo-mode.yaml] [--seeds 1] [--only one-stage,coin] [--home DIR]
 *
 * Prints one JSON object. A run that has finished in DIR is read, not run again; `--only` names the controls beside the whole recipe, all by
 * default. A run of recipes/demo-mode.yaml takes five minutes of two cores.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { readRunSummary, type RunSummary } from '#run/directory/run-summary.ts';
import { readShares } from '../services/stages/eval/paired.ts';
import { controlRunOf, type ControlRun } from './stage-controls/control-run.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    plan: { type: 'string', default: join(root, 'bench/stage-controls/demo-mode.yaml') },
    seeds: { type: 'string', default: '1' },
    only: { type: 'string' },
    home: { type: 'string' },
  },
});
const home = resolve(values.home ?? (await mkdtemp(join(tmpdir(), 'gradus-stage-controls-'))));
const settings = z.array(z.string());
const plan = z
  .strictObject({ recipe: z.string(), settings, controls: z.record(z.string(), settings) })
  .parse(parseYamlDocument(await readFile(values.plan, 'utf8'), values.plan).value);
const recipe = resolve(dirname(values.plan), plan.recipe);
const names = values.only?.split(',').filter((name) => name !== '') ?? Object.keys(plan.controls);
const seeds = values.seeds.split(',').map(Number);

async function finished(runId: string): Promise<RunSummary | undefined> {
  const summary = await readRunSummary(join(home, runId));
  return summary?.state === 'finished' ? summary : undefined;
}

async function train(runId: string, seed: number, set: readonly string[]): Promise<RunSummary> {
  const before = await finished(runId);
  if (before !== undefined) return before;
  const flags = ['--seed', `${seed}`, '--run-id', runId, '--home', home, '--json'];
  const child = spawn(
    process.execPath,
    [join(root, 'services/cli/main.ts'), 'run', recipe, ...flags, ...set.flatMap((one) => ['--set', one])],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [code] = await once(child, 'exit');
  const summary = await finished(runId);
  if (summary === undefined)
    throw new Error(`${runId} ended with ${code}; its logs are in ${join(home, runId, 'logs')}`);
  return summary;
}

/** Of the rows that the run's last stage asked. */
async function sharesOf(summary: RunSummary): Promise<Map<string, number>> {
  return readShares(join(home, summary.run, 'stages', summary.stages.at(-1)?.name ?? '', 'rows.jsonl'));
}

const started = machineFacts();
const runs: ControlRun[] = [];
for (const seed of seeds) {
  const summary = await train(`whole-seed-${seed}`, seed, []);
  const whole = await sharesOf(summary);
  runs.push(controlRunOf(summary, { run: 'whole', settings: [] }, { whole: null, here: whole }));
  for (const run of names) {
    const own = plan.controls[run];
    if (own === undefined)
      throw new Error(
        `--only ${run}: ${values.plan} has no such control; it has ${Object.keys(plan.controls).join(', ')}`,
      );
    const set = [...plan.settings, ...own];
    const control = await train(`${run}-seed-${seed}`, seed, set);
    runs.push(controlRunOf(control, { run, settings: set }, { whole, here: await sharesOf(control) }));
  }
}
process.stdout.write(`${JSON.stringify({ started, ended: machineFacts(), recipe: plan.recipe, runs }, null, 2)}\n`);
