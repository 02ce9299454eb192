import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fleetInputsDirectory, loadRecipe } from './prepare-inputs.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

test('P9: a fleet prepares its data anew when a file that they come from was edited', async () => {
  const directory = await temporaryDirectory('gradus-inputs-');
  const file = join(directory, 'rows.yaml');
  await writeFile(
    file,
    `name: rows
seed: 1
model: { path: ./model }
data: { rows: { train: ./rows.jsonl, held_out: 2, corpus: ./corpus.jsonl } }
environment: { name: search }
eval: { questions: 1 }
stages:
  - name: one
    limits: { context_tokens: 512, max_turns: 3, max_new_tokens: 48, tool_timeout_ms: 1000, turn_timeout_ms: 5000, rollout_timeout_ms: 20000 }
    rewards: { exact_match: 1.0 }
    until: { steps: 1 }
`,
  );
  await writeFile(join(directory, 'rows.jsonl'), '{"id": "a"}\n');
  const loaded = await loadRecipe(file);
  const before = await fleetInputsDirectory(loaded, directory, 'key');
  expect(await fleetInputsDirectory(loaded, directory, 'key')).toBe(before);
  expect(await fleetInputsDirectory(loaded, directory, 'other key')).not.toBe(before);
  await writeFile(join(directory, 'rows.jsonl'), '{"id": "a"}\n{"id": "b"}\n');
  expect(await fleetInputsDirectory(loaded, directory, 'key')).not.toBe(before);
});
