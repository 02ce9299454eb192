import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { chatProblems } from './chat-problems.ts';
import { prepareInputs } from './prepare-inputs.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

async function loaded(options: string, files: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory('gradus-chat-');
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  const file = join(directory, 'recipe.yaml');
  const recipe = parseRecipe(
    `
name: chat
model: { path: . }
data: { world: {} }
environment: { name: search, options: { ${options} } }
stages:
  - { name: asked, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 } }
`,
    file,
  );
  return { file, recipe, set: [] };
}

test('a model without a chat template is refused where the environment speaks in messages, with the fix', async () => {
  const without = await loaded('chat: true');
  const problem =
    /model\.path: .* has no chat template, and environment search speaks in messages; put chat_template\.jinja.* or set environment\.options\.chat=false/;
  expect(await chatProblems(without)).toEqual([expect.stringMatching(problem)]);
  await expect(prepareInputs(without, join(without.file, '../run'))).rejects.toThrow(problem);
});

const template = '{% for message in messages %}{{ message.content }}{% endfor %}';

test('it is not needed for prompts of text, and found in either of its files', async () => {
  expect(await chatProblems(await loaded('chat: false'))).toEqual([]);
  expect(await chatProblems(await loaded('chat: true', { 'chat_template.jinja': template }))).toEqual([]);
  const config = JSON.stringify({ chat_template: template });
  expect(await chatProblems(await loaded('chat: true', { 'tokenizer_config.json': config }))).toEqual([]);
});

test('one that cannot be read is named by its file', async () => {
  const [problem] = await chatProblems(await loaded('chat: true', { 'tokenizer_config.json': '{' }));
  expect(problem).toMatch(/^model\.path: .*tokenizer_config\.json: not JSON/);
});

test.each([
  ['is no template', '{% for %}', /chat_template\.jinja: the chat template /],
  ['throws', "{{ raise_exception('no users here') }}", /chat_template\.jinja: the chat template .*no users here/],
  ['leaves a turn out', '{{ messages[0].content }}', /chat_template\.jinja: .*shows an earlier turn 0 times/],
])('one that %s is refused before anything starts, with what it says', async (_, source, problem) => {
  expect(await chatProblems(await loaded('chat: true', { 'chat_template.jinja': source }))).toEqual([
    expect.stringMatching(problem),
  ]);
});
