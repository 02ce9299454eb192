import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

const model = resolve(import.meta.dirname, '../../policies/nano');

/** Rewards vary with what a policy writes that knows nothing of it. The proposer speaks twice, and goes on with what it has written. */
const environment = `
import { defineEnvironment, z } from 'gradus/environment';
export default defineEnvironment({
  name: 'echo', about: 'A test.', options: z.strictObject({}),
  row: { data: z.object({ word: z.string() }), gold: z.object({}) },
  roles: ['proposer', 'solver'], rewards: ['posed', 'solved'], primaryMetric: 'solved',
  open: () => ({
    stop: [' ', '\\n'],
    start({ data }) {
      const even = (text) => (text.length % 2 === 0 ? 1 : 0);
      let solved = 0;
      return {
        prompt: () => data.word + ' ',
        step({ index, role, text }) {
          if (index === 0 && text.length % 5 === 0) return { kind: 'done', failure: 'malformed_turn' };
          if (index === 0) return { kind: 'continue', role: 'solver', text: 'reply ' };
          if (role === 'solver') {
            solved = even(text);
            return { kind: 'continue', role: 'proposer', text: 'next ' };
          }
          return { kind: 'done', prediction: text, rewards: { posed: even(text), solved } };
        },
      };
    },
  }),
});
`;

const stage = (name: string, roles: string) => `
  - name: ${name}
    limits: { context_tokens: 128, max_turns: 4, max_new_tokens: 8, tool_timeout_ms: 30000, turn_timeout_ms: 60000, rollout_timeout_ms: 120000 }
    deadlines: { group_ms: 300000, step_ms: 600000 }
    rewards: { solved: 1 }
    roles: ${roles}
    batch: { groups: 2, group_size: 8 }
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-4 }
    until: { steps: 2 }`;

const recipe = `
name: roles
seed: 5
model: { path: ${JSON.stringify(model)} }
data: { rows: { format: plain, train: rows.jsonl, held_out: 2 } }
environment: { path: echo.ts }
fleet: { workers: 1, concurrency: 16, engine: { max_context: 128, max_running: 32, threads: 1 }, learner: { threads: 1 } }
eval: { questions: 2, sampled: true, greedy: false }
stages:${stage('both', '{ proposer: { rewards: { posed: 1 } } }')}${stage('solver', '{ proposer: { train: false } }')}
`;

test('P4: the learner trains on the sequences of both roles in one step, and on none of a role that is not trained', async () => {
  const directory = await temporaryDirectory('gradus-roles-e2e-');
  const rows = Array.from({ length: 12 }, (_, index) => ({ id: `r${index}`, data: { word: `word${index}` } }));
  await writeFile(join(directory, 'rows.jsonl'), jsonLines(rows));
  await writeFile(join(directory, 'echo.ts'), environment);
  await writeFile(join(directory, 'roles.yaml'), recipe);

  const run = startGradus(directory, 'run', 'roles.yaml', '--run-id', 'roles');
  expect(await run.exit(), run.output()).toBe(0);
  const home = join(directory, 'runs', 'roles');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0 },
  });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps.map((step) => step['stage'])).toEqual(['both', 'both', 'solver', 'solver']);
  for (const step of steps) {
    const number = (name: string): number => Number(step[name]);
    expect(number('token_mismatches')).toBe(0);
    expect(number('role/proposer/sequences')).toBe(16);
    // A solver speaks where its proposer did not fail.
    expect(number('role/solver/sequences_trained')).toBe(number('role/solver/sequences'));
    const tokensOf = (role: string) =>
      number(`role/${role}/completion_length/mean`) * number(`role/${role}/sequences_trained`);
    expect(number('roles_idle')).toBe(0);
    const joint = step['stage'] === 'both';
    expect(number('role/proposer/sequences_trained')).toBe(joint ? 16 : 0);
    expect(number('train/model_tokens')).toBeCloseTo(tokensOf('proposer') + tokensOf('solver'), 6);
  }
});
