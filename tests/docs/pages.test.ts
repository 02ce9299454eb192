/** Files that pages show, which nothing else runs. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { loadRecipe } from '../../services/cli/run/prepare-inputs.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

test('the page on models of your own: its recipe is whole', async () => {
  const directory = await temporaryDirectory('gradus-own-model-');
  await cp(join(repositoryRoot, 'policies/nano'), join(directory, 'model'), { recursive: true });
  const file = join(directory, 'recipe.yaml');
  await writeFile(file, docBlocks('how-to/own-model.md').get('recipe.yaml') ?? '');
  const { recipe } = await loadRecipe(file);
  expect(recipe.stages.map(({ name }) => name)).toEqual(['first']);
});

test('the page on watching: Prometheus reads what a fleet writes, and asks for metrics that exist', async () => {
  const page = await readFile(join(repositoryRoot, 'docs/how-to/watch-a-run.md'), 'utf8');
  expect(parse(docBlocks('how-to/watch-a-run.md').get('prometheus.yaml') ?? '')).toMatchObject({
    scrape_configs: [{ job_name: 'gradus', file_sd_configs: [{ files: ['runs/prometheus.json'] }] }],
  });
  const vocabulary = await readFile(join(repositoryRoot, 'deploy/telemetry/metrics.yaml'), 'utf8');
  const asked = [...page.matchAll(/gradus_[a-z_]+/g)].map(([name]) => name.replace(/_(?:sum|count|bucket)$/, ''));
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((name) => !vocabulary.includes(`name: ${name}\n`))).toEqual([]);
});
