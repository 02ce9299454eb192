import { create } from '@bufbuild/protobuf';
import { glob, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { gradus } from '../program-under-test.ts';
import { rolloutJson } from '../rollouts/rollout-json.ts';
import { jsonLine, messageJson } from './json-line.ts';

/** Keys that are no snake_case, but for those below keys whose names come from data. */
function oddKeys(value: unknown, free: readonly string[] = ['rewards', 'components', 'files']): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item) => oddKeys(item, free));
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) => [
    ...(/^[a-z0-9]+(_[a-z0-9]+)*$/.test(key) ? [] : [key]),
    ...(free.includes(key) ? [] : oddKeys(child, free)),
  ]);
}

const result = create(RolloutResultSchema, {
  runId: 'first',
  taskId: 'ab12',
  components: { exact_match: 1, myScorer: 0.5 },
  environmentMetrics: { legalMoves: 3 },
});

test('keys are snake_case at every depth, and names that data gives stay', () => {
  const rollout = { result, counted: { reward: { kind: 'none' as const }, group: undefined }, recorded: undefined };
  const listed: unknown = JSON.parse(jsonLine(rolloutJson(rollout)));
  expect(listed).toMatchObject({
    prompt_tokens: 0,
    components: { myScorer: 0.5 },
    environment_metrics: { legalMoves: 3 },
  });
  expect(jsonLine({ machine: { memoryGiB: 24 } })).toBe('{"machine":{"memory_gib":24}}');
  expect(JSON.parse(jsonLine({ wholeResult: [messageJson(RolloutResultSchema, result)] }))).toMatchObject({
    whole_result: [{ task_id: 'ab12', components: { myScorer: 0.5 } }],
  });
});

test('what commands print by --json has snake_case keys, errors too', async () => {
  const folder = await temporaryDirectory('gradus-json-');
  const corpus = join(folder, 'corpus.jsonl');
  await writeFile(corpus, `${JSON.stringify({ id: 'a', contents: 'Arle\nArle is a town.' })}\n`);
  const index = join(folder, 'index');
  for (const args of [
    ['world', '--train', '5', '--held-out', '5', '--out', join(folder, 'world')],
    ['index', 'build', corpus, '--out', index],
    ['index', 'info', index],
    ['index', 'search', index, 'town'],
    ['run', 'recipes/demo.yaml', '--dry-run'],
    ['status', '--home', folder],
    ['resume', 'nothing', '--home', folder],
  ]) {
    const { out } = await gradus(...args, '--json');
    expect(oddKeys(JSON.parse(out)), args.join(' ')).toEqual([]);
  }
});

test('no command writes JSON of its own', async () => {
  for await (const path of glob('services/cli/**/*.ts', { cwd: repositoryRoot })) {
    const text = path.endsWith('.test.ts') ? '' : await readFile(join(repositoryRoot, path), 'utf8');
    expect(text, path).not.toMatch(/terminal\.out\([^;]*JSON\.stringify/);
  }
});
