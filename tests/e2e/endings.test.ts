import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { readJson, startGradus } from './gradus-process.ts';

const model = resolve(import.meta.dirname, '../../policies/nano');

/** A scripted policy whose answers are right half of the time, and one scorer of the user's own that decides alone. */
const recipeWith = (scorer: string): string => `
name: own
seed: 5
model: { path: ${JSON.stringify(model)} }
data: { world: { seed: 7, train: 40, held_out: 20 } }
environment: { name: search, options: { top_k: 2, preview_characters: 150, max_document_characters: 400 } }
fleet:
  workers: 1
  concurrency: 8
  engine: { kind: scripted, max_context: 512, max_running: 64 }
  learner: { kind: scripted }
  scripted: { turns: 2, right_probability: 0.5 }
eval: { questions: 4, sampled: true, greedy: false }
scorers:
  house: ${scorer}
stages:
  - name: one
    limits: { context_tokens: 512, max_turns: 4, max_new_tokens: 48, tool_timeout_ms: 5000, turn_timeout_ms: 30000, rollout_timeout_ms: 90000 }
    deadlines: { group_ms: 300000, step_ms: 600000 }
    rewards: { exact_match: 0, house: 1 }
    batch: { groups: 2, group_size: 4, max_generation_batches: 2 }
    until: { steps: 2 }
`;

const files = {
  'constant.ts': `import { defineScorer } from 'gradus/scorer';
export default defineScorer({ score: () => 0.5 });`,
  'throws.ts': `import { defineScorer } from 'gradus/scorer';
export default defineScorer({
  score({ turns }) {
    return turns[99].text.length;
  },
});`,
  'throws.py': `def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    return extra_info["absent"]
`,
};

test('P9: a scorer that gives a constant ends the run with nothing to learn, and the rollout it names can be looked at', async () => {
  const directory = await temporaryDirectory('gradus-endings-e2e-');
  await writeFile(join(directory, 'constant.ts'), files['constant.ts']);
  await writeFile(join(directory, 'own.yaml'), recipeWith('{ kind: typescript, path: constant.ts }'));
  const run = startGradus(directory, 'run', 'own.yaml', '--run-id', 'flat');
  expect(await run.exit(), run.output()).toBe(3);
  const said = run.output();
  expect(said).toContain(
    'run flat nothing to learn: no step learned anything in one (0 steps, ended by nothing_to_learn)',
  );
  expect(said).toMatch(
    /nothing to learn in one: 0 of 2 steps learned; 0 of 16 \(0 %\) rewards are 0; rewards do not vary in 4 of 4 \(100 %\) groups, 0 were dropped; rollouts ended: answered 16/,
  );
  expect(said).not.toContain('continue it with');
  expect(await readJson(join(directory, 'runs/flat/summary.json'))).toMatchObject({ state: 'nothing_to_learn' });
  // The command as it is printed.
  const [, id = ''] = /gradus rollout show ([0-9a-f]{8,})\n/.exec(said) ?? [];
  const tried = startGradus(directory, 'reward', 'try', 'constant.ts', id);
  expect(await tried.exit(), tried.output()).toBe(0);
  expect(tried.output()).toMatch(
    /as scorer house of the run is declared.*: 0\.5, 0\.5 from 0 to 1.*the run recorded 0\.5/,
  );
});

test.each([
  ['TypeScript', 'throws.ts', '{ kind: typescript, path: throws.ts }', /TypeError: .*throws\.ts:4:\d+/s],
  [
    'Python',
    'throws.py',
    '{ kind: python, path: throws.py }',
    /throws\.py.*line 2.*KeyError: 'absent'|KeyError: 'absent'.*throws\.py.*2/s,
  ],
] as const)(
  'P2: a scorer in %s that throws ends the run at once, with the exception, file, line and rollout',
  async (_, file, scorer, place) => {
    const directory = await temporaryDirectory('gradus-endings-e2e-');
    await writeFile(join(directory, file), files[file]);
    await writeFile(join(directory, 'own.yaml'), recipeWith(scorer));
    const run = startGradus(directory, 'run', 'own.yaml', '--run-id', 'thrown');
    expect(await run.exit(), run.output()).toBe(3);
    expect(run.output()).toMatch(/run thrown failed: rollout [0-9a-f]+: /);
    expect(run.output()).toMatch(place);
    const { rollouts } = (await readJson(join(directory, 'runs/thrown/summary.json'))) as {
      readonly rollouts: { readonly failedUserCode: number; readonly published: number };
    };
    // No try was repeated: it ended with the first ones.
    expect(rollouts.failedUserCode).toBeGreaterThan(0);
    expect(rollouts.published).toBeLessThanOrEqual(8);
  },
);
