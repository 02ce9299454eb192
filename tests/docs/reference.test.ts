/** Pages of reference that are written by hand say what the code says, and nothing else. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DescEnum } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { GroupFateSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunStateSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import { FailureClassSchema } from '#proto/rollout/v1/result_pb.ts';
import { runSummarySchema } from '#run/directory/run-summary.ts';
import { learnerMetricName } from '../../services/coordinator/training/step-metrics.ts';
import { exitCodes } from '../../services/cli/exit-codes.ts';

const root = join(import.meta.dirname, '../..');
const read = (page: string): string => readFileSync(join(root, 'docs', page), 'utf8');

/** Names in backticks in the first column of the tables under a heading. */
function firstColumn(page: string, heading: string): string[] {
  const [, section = ''] = read(page).split(`\n## ${heading}\n`);
  const rows = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (.*?) \|/gm)];
  return rows.flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
}

/** Its values as people read them: FAILURE_CLASS_TURN_LIMIT is `turn_limit`. */
function wordsOf(schema: DescEnum): string[] {
  const words = schema.values.filter(({ number }) => number !== 0).map(({ localName }) => localName.toLowerCase());
  return words.toSorted();
}

test.each([
  ['endings.md', 'How a rollout ends', FailureClassSchema],
  ['endings.md', 'How a group ends', GroupFateSchema],
  ['endings.md', 'How a run ends', RunStateSchema],
] as const)('%s, %s: every value of the contract is there, and no other', (page, heading, schema) => {
  expect(firstColumn(page, heading).toSorted()).toEqual(wordsOf(schema));
});

test('every exit code is on the page of the command line', () => {
  const [, section = ''] = read('cli.md').split('\n## Exit codes\n');
  const listed = [...section.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  // 78: the launcher itself, before there is a program.
  expect(listed).toEqual([...new Set([...Object.values(exitCodes), 78])].toSorted((a, b) => a - b));
});

test("every metric of the learner's steps is explained in metrics.md, and no other", () => {
  const sources = ['train/rollouts.py', 'train/critic.py', 'train/pairs.py', 'objectives/supervised.py'].map((file) =>
    readFileSync(join(root, 'services/learner/gradus_learner', file), 'utf8'),
  );
  const given = sources.flatMap((text) =>
    [...text.matchAll(/(?:metrics =|return) \{\n((?: +"[a-z_0-9]+": .*\n)+)/g)].flatMap(([, block = '']) =>
      [...block.matchAll(/"([a-z_0-9]+)":/g)].map(([, name = '']) => learnerMetricName(name)),
    ),
  );
  // Those that not every step has; `flops` becomes rates.
  const some = sources.flatMap((text) =>
    [...text.matchAll(/metrics\["([a-z_0-9]+)"\] =|\*\*\(\{\} if .* else \{"(?!flops)([a-z_0-9]+)":/g)].map(
      ([, set, spread]) => learnerMetricName(set ?? spread ?? ''),
    ),
  );
  // What a step took, and what follows from it.
  const run = readFileSync(join(root, 'services/learner/gradus_learner/train/run.py'), 'utf8');
  const rates = [...run.matchAll(/kept\["([a-z_]+)"\] =|^ +"([a-z_]+)": float\(/gm)].map(([, rate, count]) =>
    learnerMetricName(rate ?? count ?? ''),
  );
  const [, section = ''] = read('metrics.md').split('\n### Of the learner\n');
  const rows = (section.split('\n### ')[0] ?? '').matchAll(/^\| (.*?) \|/gm);
  const listed = [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
  expect(listed.toSorted()).toEqual([...new Set([...given, ...some, ...rates, 'train/seconds'])].toSorted());
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
}

function keysOf({ properties, items, additionalProperties, anyOf }: Schema): string[] {
  const entries = typeof additionalProperties === 'object' ? [additionalProperties] : [];
  const below = [
    ...Object.values(properties ?? {}),
    ...(items === undefined ? [] : [items]),
    ...entries,
    ...(anyOf ?? []),
  ];
  return [...Object.keys(properties ?? {}), ...below.flatMap(keysOf)];
}

test('every key of summary.json is explained in run-files.md', () => {
  const keys = keysOf(z.toJSONSchema(runSummarySchema) as Schema);
  const [, section = ''] = read('run-files.md').split('\n## summary.json\n');
  const named = new Set([...section.matchAll(/`([A-Za-z]+)`/g)].map(([, name = '']) => name));
  expect([...new Set(keys)].filter((key) => !named.has(key))).toEqual([]);
  const first = firstColumn('run-files.md', 'summary.json').filter(
    (name) => name !== 'rollouts' || keys.includes(name),
  );
  expect(first.filter((name) => !keys.includes(name))).toEqual([]);
});

/** Not variables of ours: a stream that a check makes, what Kubernetes would set, an example of how names are made. */
const others = new Set(['GRADUS_PROBE', 'GRADUS_RETRIEVAL_PORT', 'GRADUS_RETRY_BASE_MS']);

test('every variable of the environment that the code names is in the reference', () => {
  const files = ['services', 'scripts', 'deploy', 'bench', 'Makefile'];
  const found = execFileSync('git', ['grep', '-hoE', 'GRADUS_[A-Z][A-Z0-9_]*', '--', ...files, ':!*test*', ':!*.md'], {
    cwd: root,
    encoding: 'utf8',
  });
  const page = read('reference/environment-variables.md');
  const named = new Set([...page.matchAll(/`(GRADUS_[A-Z0-9_]+)`/g)].map(([, name = '']) => name));
  expect(
    [...new Set(found.split('\n'))].filter((name) => name !== '' && !named.has(name) && !others.has(name)),
  ).toEqual([]);
});
