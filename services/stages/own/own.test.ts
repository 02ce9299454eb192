import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { docBlocks } from '../../../tests/fixtures/doc-blocks.ts';

const repository = resolve(import.meta.dirname, '../../..');
const blocks = docBlocks('how-to/own-stage-kind.md');
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-own-stage-'));
  await cp(join(repository, 'policies/nano'), join(root, 'model'), { recursive: true });
  for (const [name, text] of blocks) await writeFile(join(root, name), text);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** What a program prints as JSON. Files are loaded by Node itself, as a run does it; the test runner has a loader of its own. */
async function inNode(program: string): Promise<unknown> {
  const flags = ['--disable-warning=ExperimentalWarning', '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'];
  const printed = `
    const { own } = await import('#stages/own/index.ts');
    const { ownSchema } = await import('#stages/own/schema.ts');
    const said = async (run) => { try { return await run(); } catch (error) { return { error: error.message }; } };
    const stageOf = (options) => ownSchema.parse({ name: 'chosen', kind: 'own', path: 'kind.ts', options });
    console.log(JSON.stringify(await (async () => { ${program} })()));`;
  const args = [...flags, '--input-type=module', '-e', printed];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: repository });
  return JSON.parse(stdout);
}

/** A run of a stage whose kind is in `text`, round by round as the run's loop does it, until it ends or throws. */
async function played(text: string, options: object = {}, more = ''): Promise<unknown> {
  const file = join(root, `kind-${Math.random()}.ts`);
  await writeFile(file, text);
  return await inNode(`
    const facts = [], left = [], ends = [];
    const context = {
      file: () => ${JSON.stringify(file)},
      record: async (fact) => void facts.push(JSON.parse(JSON.stringify(fact))),
      take: async (stage, artefact) => ${JSON.stringify(root)} + '/' + stage + '.' + artefact,
      leaveRows: async (rows) => void left.push(...rows),
      ${more}
    };
    const stage = stageOf(${JSON.stringify(options)});
    const thrown = await said(async () => {
      for (let round = 0; round < 5; round += 1) {
        const progress = facts.reduce((before, fact) => own.fold(before, fact), undefined);
        const next = own.next(stage, { steps: [], evaluations: [], waiting: 0, progress }, {});
        const end = await own.run(context, stage, next.action);
        ends.push(end);
        if (end.kind === 'finish') return;
      }
    });
    return { facts, left, ends, ...thrown };`);
}

describe('the page on stage kinds of your own', () => {
  test('its recipe is whole, and --dry-run loads its file', async () => {
    const outcome = await inNode(`
      const { loadRecipe, stageFileProblems } = await import('./services/cli/run/prepare-inputs.ts');
      const of = async (set) => said(async () => stageFileProblems(await loadRecipe(${JSON.stringify(join(root, 'recipe.yaml'))}, set)));
      return [
        await of([]),
        await of(['stages.1.options.betwen=[0,1]']),
        await of(['stages.1.path=absent.ts']),
        await of(['stages.1.takes.0.stage=nobody']),
      ];`);
    expect(outcome).toEqual([
      [],
      [expect.stringMatching(/^stages\[1\]: options\.betwen: unknown key; did you mean between\?/)],
      [expect.stringMatching(/^stages\[1\]: \/.*absent\.ts: there is no such file; check the path/)],
      {
        error: expect.stringContaining(
          'stages[1].takes[0].stage: is not an earlier stage that leaves rows; there are: asked',
        ),
      },
    ]);
  });

  test('its stage keeps the rows that it says', async () => {
    const rows = ['0', '0.5', '1'].map((rate) => ({ id: rate, data: {}, gold: {}, tags: { pass_rate: rate } }));
    await writeFile(join(root, 'asked.rows'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const text = blocks.get('curate.ts') ?? '';
    expect(await played(text, { from: 'asked' })).toEqual({
      facts: [{ kept: 1, of: 3 }],
      left: [rows[1]],
      ends: [{ kind: 'done' }, { kind: 'finish', reason: 'curated' }],
    });
    expect(await played(text, { from: 'asked', between: [0.6, 0.9] })).toMatchObject({
      left: [],
      error: expect.stringMatching(
        /^stage chosen: \/.* threw Error: none of 3 rows has a pass rate of 0\.6 to 0\.9 at \/.*kind-.*\.ts:\d+:\d+; correct it, then resume the run$/,
      ),
    });
  });
});

const kind = (body: string): string =>
  `import { defineStageKind, z } from 'gradus/stage';\nexport default defineStageKind({ options: z.strictObject({}), ${body} });`;

describe('a kind of stage in a file', () => {
  test('P8: decides from what its facts add up to', async () => {
    const text = kind(`
      fold: (progress = 0, fact) => progress + fact.by,
      next: ({ progress = 0 }) => (progress >= 3 ? { finish: 'counted' } : undefined),
      async run(context, { progress = 0 }) { await context.record({ by: progress + 1 }); }`);
    expect(await played(text)).toMatchObject({
      facts: [{ by: 1 }, { by: 2 }],
      ends: [{ kind: 'done' }, { kind: 'done' }, { kind: 'finish', reason: 'counted' }],
    });
  });

  test('P10: that does something without a fact gets an error, instead of being asked forever', async () => {
    expect(await played(kind(`next: () => undefined, async run() {}`))).toMatchObject({
      ends: [],
      error: expect.stringContaining('recorded no fact, and next() decides by facts'),
    });
  });

  test.each([
    ['next: () => ({ finsh: "x" }), async run() {}', /next\(\) gave \{"finsh":"x"\}; give undefined, or/],
    ['next: () => undefined, async run() { return { kind: "over" }; }', /run\(\) gave \{"kind":"over"\}; give nothing/],
    [
      'next: () => undefined, async run(context) { await context.leaveRows([{ id: 3 }]); }',
      /leaveRows\(\): row 0: id: .* a row is \{ id, data, gold, tags \}/,
    ],
  ])('P9: that gives nonsense (%s) gets an error with the value and what to give', async (text, error) => {
    expect(await played(kind(text))).toMatchObject({ error: expect.stringMatching(error) });
  });

  test('P2: an error of the run itself stays what it is', async () => {
    const text = kind(`next: () => undefined, async run(context) { await context.take('a', 'rows'); }`);
    const more = `take: async () => { const { TransientError } = await import('#platform/errors.ts'); throw new TransientError('unavailable', 'the disk is unavailable'); },`;
    expect(await played(text, {}, more)).toMatchObject({ error: 'the disk is unavailable' });
  });

  test.each([
    ['throws as it is loaded', 'const x: any = undefined;\nx.y;\n', /cannot be loaded: TypeError: .* at \/.*\.ts:2:/],
    ['exports none', 'export const a = 1;', /has no kind of stage as its default export/],
    ['lacks run', 'export default { options: { safeParse() {} }, next() {} };', /has no kind of stage/],
  ])('that %s is refused with the file', async (_what, text, problem) => {
    expect(await played(text)).toMatchObject({ error: expect.stringMatching(problem) });
  });
});
