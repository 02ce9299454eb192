import { cp, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { loadRecipe } from '../../services/cli/run/prepare-inputs.ts';
import { rewardProblems } from '../../services/cli/run/reward-inputs.ts';
import { itemFor } from '../../services/reward/custom/scorers-under-test.ts';
import { startRewardUnderTest } from '../../services/reward/service-under-test.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const blocks = docBlocks('how-to/own-scorer.md');

/** The page's files in a folder outside of the repository; `changed` take the place of some. */
async function written(changed: Readonly<Record<string, string>> = {}): Promise<string> {
  const directory = await temporaryDirectory('gradus-own-scorer-');
  await cp(join(repositoryRoot, 'policies/nano'), join(directory, 'model'), { recursive: true });
  for (const [name, text] of blocks) await writeFile(join(directory, name), changed[name] ?? text);
  return join(directory, 'recipe.yaml');
}

const scorersOf = (file: string) => ({
  frugal: { kind: 'typescript' as const, path: join(dirname(file), 'frugal.ts') },
  named: { kind: 'python' as const, path: join(dirname(file), 'named.py') },
});
const weighed = (settings: object) => [
  { name: 'frugal', settingsJson: JSON.stringify(settings) },
  { name: 'named', settingsJson: '{}' },
];

test('the page on scorers of your own: its recipe is whole, and its files score rollouts as it says', async () => {
  const file = await written();
  const loaded = await loadRecipe(file);
  expect(Object.keys(loaded.recipe.scorers ?? {})).toEqual(['frugal', 'named']);
  expect(await rewardProblems(loaded, {})).toEqual([]);
  expect(await rewardProblems(await loadRecipe(file, ['scorers.named.path=absent.py']), {})).toEqual([
    expect.stringContaining('absent.py: there is no such file; check the path'),
  ]);
  await using service = await startRewardUnderTest({}, { scorers: scorersOf(file) });
  // Each searched once, and read `France: a country`; Paris is the gold answer.
  const items = [
    { ...itemFor('', 'Paris'), scorers: weighed({ free: 1 }) },
    { ...itemFor('', 'Paris', { id: 'no-search-is-free' }), scorers: weighed({ free: 0 }) },
    { ...itemFor('', 'France'), scorers: weighed({}) },
  ];
  const { scores } = await service.reward.score({ items });
  expect(scores).toMatchObject([
    { components: { frugal: 1, named: 0 } },
    { components: { frugal: 0.5, named: 0 } },
    { components: { frugal: 0, named: 1 } },
  ]);
});

test('P2: a scorer that throws gives no number, and says the exception with its line', async () => {
  const file = await written({
    'named.py': 'def compute_score(data_source, solution_str, ground_truth, extra_info=None):\n    return 1 / 0\n',
  });
  await using service = await startRewardUnderTest({}, { scorers: scorersOf(file) });
  const { scores } = await service.reward.score({ items: [{ ...itemFor('', 'Paris'), scorers: weighed({}) }] });
  const [score] = scores;
  expect(score).toMatchObject({ components: { frugal: 1 }, absent: { named: 'threw' } });
  expect(score?.components).not.toHaveProperty('named');
  expect(score?.threw['named']).toMatch(/named\.py", line 2.*ZeroDivisionError/s);
});
