/** Builds what docs/how-to/mcp-tools.md says, from its own code blocks. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { toolsOptions } from '#environments/tools/options.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { wireRow } from '#questions/question-row.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { taskOf } from '../rollout/task.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const start = useRolloutFleet();
const page = await readFile(join(repositoryRoot, 'docs/how-to/mcp-tools.md'), 'utf8');
const blocks = new Map(
  [...page.matchAll(/^```\w+ file=(\S+)\n(.*?)^```$/gms)].map(([, name = '', text = '']) => [name, text]),
);

async function folderOfBlocks(): Promise<string> {
  const folder = await temporaryDirectory('gradus-how-to-');
  for (const [name, text] of blocks) await writeFile(join(folder, name), text);
  return folder;
}

test('the recipe of the page is sound, and a policy plays it with the tools of its file', async () => {
  const folder = await folderOfBlocks();
  const file = join(folder, 'recipe.yaml');
  const recipe = parseRecipe(blocks.get('recipe.yaml') ?? '', file);
  const gradus = join(repositoryRoot, 'services/cli/bin/gradus');
  const { stdout } = await promisify(execFile)(gradus, ['run', file, '--dry-run']);
  expect(stdout).toContain('data.rows: 1 training questions, 1 held out');
  expect(stdout).not.toContain('problem:');
  const turns = [
    '<tool>{"name": "divide", "args": {"a": 9, "b": 0}}</tool>',
    '<tool>{"name": "divide", "args": {"a": 9, "b": 4}}</tool>',
    '<answer> 2.25 </answer>',
  ];
  const fleet = await start({ script: ({ turn }) => turns[turn] ?? '' });
  const [, second = ''] = (blocks.get('rows.jsonl') ?? '').trim().split('\n');
  const options = { ...recipe.environment.options, files: [{ path: join(folder, 'calculator.ts') }] };
  await fleet.publish(
    taskOf('page', {
      environment: recipe.environment.name,
      environmentOptionsJson: JSON.stringify(options),
      row: wireRow(JSON.parse(second)),
      limits: {
        contextTokens: 1024,
        maxTurns: 4,
        toolTimeoutMs: 20_000,
        turnTimeoutMs: 60_000,
        rolloutTimeoutMs: 120_000,
      },
    }),
  );
  const result = await fleet.resultOf('page');
  expect(result).toMatchObject({ failure: FailureClass.UNSPECIFIED, components: { exact_match: 1 }, toolFailures: 1 });
  const { segments } = await fleet.trajectoryOf(result);
  expect(segments[0]?.text).toContain('{"name":"add","description":"Adds two numbers.","parameters":{"type":"object"');
  expect(segments[0]?.text).toContain('to answer this hard question.\nWhat is 9 / 4?');
  expect([segments[2]?.text, segments[4]?.text]).toEqual([
    '<result> error: b is zero </result>',
    '<result> 2.25 </result>',
  ]);
});

test('the servers of the page are options that the environment takes', () => {
  const { name, options }: { name: string; options: object } = parse(blocks.get('servers.yaml') ?? '');
  expect(name).toBe('tools');
  expect(toolsOptions.parse(options).servers.map(({ session }) => session)).toEqual(['per_episode', 'shared']);
});
