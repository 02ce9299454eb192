import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const repository = resolve(import.meta.dirname, '../../..');
const loader = `const { loadOwnEnvironment } = await import('#environments/own-file/load.ts');
const { createUserCodeHost } = await import('#user-code/user-code-host.ts');
const { createLogger } = await import('#platform/telemetry/logging.ts');
const log = createLogger({ service: 'test', level: 'error' });
const clients = { userCode: createUserCodeHost({ log, defer() {} }, process.env) };
const said = async (run) => { try { return await run(); } catch (error) { return { error: error.message }; } };`;

let root = '';
let page = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-own-'));
  page = await readFile(join(repository, 'docs/how-to/own-environment.md'), 'utf8');
});
afterAll(() => rm(root, { recursive: true, force: true }));

const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page)?.[1] ?? expect.fail(`the page has no ${language}`);
async function written(name: string, text: string): Promise<string> {
  const path = join(root, name);
  await writeFile(path, text);
  return path;
}

/** What a program prints as JSON. Files are loaded by Node itself, as workers do it; the test runner has a loader of its own. */
async function inNode(program: string): Promise<unknown> {
  const flags = ['--disable-warning=ExperimentalWarning', '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'];
  const printed = `${loader}\nconsole.log(JSON.stringify(await (async () => { ${program} })()));`;
  const args = [...flags, '--input-type=module', '-e', printed];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: repository });
  return JSON.parse(stdout);
}
const loaded = (file: string): Promise<unknown> =>
  inNode(`return await said(() => loadOwnEnvironment(${JSON.stringify(file)}));`);

describe('the page on environments of your own', () => {
  test('its environment loads from outside of the repository, and its recipe, rows and episodes hold', async () => {
    const file = await written('guess.ts', block('ts'));
    const rows = await written('rows.jsonl', block('json'));
    const outcome = await inNode(`
      await loadOwnEnvironment(${JSON.stringify(file)}, 'guess.ts');
      const { parseRecipe } = await import('#recipe/parse-recipe.ts');
      const { needsRetrieval } = await import('#recipe/environment-part.ts');
      const { rowNeeds } = await import('#recipe/row-needs.ts');
      const { readQuestions } = await import('#questions/read-questions.ts');
      const { createEnvironmentRegistry } = await import('#environments/registry.ts');
      const text = ${JSON.stringify(block('yaml'))};
      const recipe = parseRecipe(text, 'recipe.yaml');
      const ids = [];
      for await (const row of readQuestions(${JSON.stringify(rows)}, 'plain', rowNeeds(recipe))) ids.push(row.id);
      await using registry = createEnvironmentRegistry(clients);
      const { environment } = await registry.acquire('guess', recipe.environment.options);
      const io = { signal: new AbortController().signal, seed: 1n, toolTimeoutMs: 60_000 };
      const episode = await environment.start({ id: 'g', data: { most: 10, number: 7 }, tags: {} }, io);
      return {
        environment: recipe.environment,
        retrieval: needsRetrieval(recipe),
        ids,
        prompt: episode.prompt(),
        steps: [await episode.step({ index: 0, text: '5\\n' }, io), await episode.step({ index: 1, text: '7\\n' }, io)],
        slip: await said(() => parseRecipe(text.replace('guesses: 5', 'gueses: 5'), 'recipe.yaml')),
      };`);
    expect(outcome).toEqual({
      environment: { name: 'guess', path: 'guess.ts', options: { guesses: 5 } },
      retrieval: false,
      ids: ['g1', 'g2', 'g3'],
      prompt: 'A number from 1 to 10:',
      steps: [
        { kind: 'continue', text: 'higher:' },
        { kind: 'done', prediction: '7', rewards: { found: 1 }, metrics: { guesses: 2 } },
      ],
      slip: { error: 'recipe.yaml:4: environment.options.gueses: unknown key; did you mean guesses?' },
    });
  });
});

test.each([
  [
    'throws.ts',
    'const x: { y?: { z: number } } = {};\nexport default (x as any).y.z;\n',
    /throws\.ts: cannot be loaded: TypeError: .* at \/.*throws\.ts:2:/,
  ],
  ['syntax.ts', 'export default {', /syntax\.ts: cannot be loaded: /],
  ['nothing.ts', 'export const a = 1;', /has no environment as its default export/],
  [
    'half.ts',
    "export default { name: 'Half', opne() {} };",
    /half\.ts: its default export is not an environment: name: .* \(got 'Half'\); open: is missing, a function; .*row\.gold: is missing, a zod schema/,
  ],
  [
    'taken.ts',
    "import { defineEnvironment, z } from 'gradus/environment';\nexport default defineEnvironment({ name: 'search', about: '', options: z.strictObject({}), row: { data: z.object({}), gold: z.object({}) }, primaryMetric: 'reward', open() {} });",
    /its name 'search' is that of a built-in environment/,
  ],
  [
    'package.ts',
    "import 'no-such-package-anywhere';\nexport default {};",
    /cannot be loaded: .*no-such-package-anywhere/,
  ],
])('%s is refused with the file and what is wrong', async (name, text, message) => {
  expect(await loaded(await written(name, text))).toEqual({ error: expect.stringMatching(message) });
});

test('a file that is not there is named, and one that was changed is loaded anew', async () => {
  expect(await loaded(join(root, 'absent.ts'))).toEqual({
    error: expect.stringMatching(/absent\.ts: there is no such file; check the path/),
  });
  const text = block('ts').replace("name: 'guess'", "name: 'again'");
  const file = JSON.stringify(await written('again.ts', text));
  const abouts = await inNode(`
    const { readFileSync, writeFileSync } = await import('node:fs');
    const before = (await loadOwnEnvironment(${file})).about;
    writeFileSync(${file}, readFileSync(${file}, 'utf8').replace('Find a number by guessing.', 'Changed.'));
    return [before, (await loadOwnEnvironment(${file})).about];`);
  expect(abouts).toEqual(['Find a number by guessing.', 'Changed.']);
});

test('an environment is closed once, also when the registry closes while an episode has it', async () => {
  const file = await written(
    'closing.ts',
    `import { defineEnvironment, z } from 'gradus/environment';
     import { appendFileSync } from 'node:fs';
     export default defineEnvironment({
       name: 'closing', about: 'Counts how often it is closed.', options: z.strictObject({}),
       row: { data: z.object({}), gold: z.object({}) }, rewards: ['done'], primaryMetric: 'done',
       open: () => ({ stop: [], start: () => { throw new Error('none'); }, close: () => appendFileSync('${join(root, 'closed')}', 'x') }),
     });`,
  );
  const closed = await inNode(`
    await loadOwnEnvironment(${JSON.stringify(file)}, 'closing.ts');
    const { createEnvironmentRegistry } = await import('#environments/registry.ts');
    const registry = createEnvironmentRegistry(clients);
    const lease = await registry.acquire('closing', {});
    await registry[Symbol.asyncDispose]();
    lease[Symbol.dispose]();
    await new Promise((done) => setImmediate(done));
    const { readFileSync } = await import('node:fs');
    return readFileSync(${JSON.stringify(join(root, 'closed'))}, 'utf8');`);
  expect(closed).toBe('x');
});
