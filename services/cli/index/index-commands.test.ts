import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildTimeoutMs, tinyEncoders } from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { repositoryRoot } from '#platform/repository.ts';

const program = join(repositoryRoot, 'services/cli/bin/gradus');

function gradus(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(program, args, (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }));
  });
}

let directory = '';
let corpus = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-index-command-'));
  corpus = join(directory, 'corpus.jsonl');
  const rows = [
    { id: 'a', title: 'Vale', text: 'Norwick Vale is a town.' },
    { id: 'b', title: 'Dell', text: 'Estmark Dell is a country.' },
  ];
  await writeFile(corpus, `${rows.map((row) => JSON.stringify(row)).join('\n')}\nnot JSON\n`);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

test('an index is built, described, verified and searched', async () => {
  const index = join(directory, 'index');
  const built = await gradus('index', 'build', corpus, '--out', index, '--on-bad-line', 'skip', '--json');
  expect(built).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(built.out)).toMatchObject({
    corpus: { pages: 2, passages: 2 },
    bad_lines: { count: 1, first: [{ line: 3 }] },
    settings: { analyzer: 'standard', k1: 1.2, b: 0.75, title_boost: 1 },
  });
  const info = await gradus('index', 'info', index, '--verify');
  expect(info.code).toBe(0);
  expect(info.out).toMatch(/passages\s+│ 2 /);
  expect(info.out).toMatch(/line 3 was skipped: not valid JSON/);
  expect(info.out).toContain('every file has the size and the checksum that the manifest says');
  const table = await gradus('index', 'search', index, 'the', 'Estmark', 'country', '-k', '1');
  expect(table.out).toMatch(/│ 1 │ \d\.\d{4} │ b +│ Dell +│ Estmark Dell is a country\./);
  const json = await gradus('index', 'search', index, 'town', '--k1', '0', '--json');
  // One of two passages holds it: idf = ln(1 + 1.5 / 1.5), and with k1 = 0 that is the score.
  expect(JSON.parse(json.out)).toMatchObject({ k1: 0, hits: [{ rank: 1, id: 'a', score: Math.LN2 }] });
  expect((await gradus('index', 'search', index, 'nothing')).out).toMatch(/^nothing found/);
});

test('what is wrong is one sentence that names it, with the exit code of wrong input', async () => {
  const out = join(directory, 'bad');
  const stopped = await gradus('index', 'build', corpus, '--out', out);
  expect(stopped).toMatchObject({ code: 2, out: '' });
  expect(stopped.err).toMatch(/^gradus: .*corpus\.jsonl:3: not valid JSON.*\n$/);
  const missing = await gradus('index', 'search', out, 'x', '--json');
  expect(missing.code).toBe(2);
  expect(JSON.parse(missing.out)).toMatchObject({ error: { code: 'not_found' } });
  expect((await gradus('index', 'build', corpus, '--out', out, '--b', '2')).err).toContain(
    'It must be a number from 0 to 1.',
  );
  expect(
    (await gradus('index', 'build', corpus, '--out', out, '--chunk-words', '50', '--chunk-overlap', '40')).err,
  ).toContain('overlap: give at most half of words');
  expect(await readdir(directory)).not.toContain('bad');
});

test('Ctrl-C during a build leaves nothing behind', async () => {
  const large = join(directory, 'large.jsonl');
  const stream = createWriteStream(large);
  for (let id = 0; id < 100_000; id += 1) stream.write(`{"id": ${id}, "text": "${`word${id} `.repeat(40)}"}\n`);
  stream.end();
  await once(stream, 'finish');
  const child = spawn(program, ['index', 'build', large, '--out', join(directory, 'stopped')], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  while (child.exitCode === null && !(await readdir(directory)).some((name) => name.startsWith('stopped.tmp-')))
    await setImmediate();
  child.kill('SIGINT');
  expect(await exited).toEqual([130, null]);
  expect((await readdir(directory)).filter((name) => name.startsWith('stopped'))).toEqual([]);
});

test(
  'an index gets vectors when it is built or later, and is searched by them',
  async () => {
    const { encoder } = await tinyEncoders();
    const index = join(directory, 'with-vectors');
    const options = ['--on-bad-line', 'skip', '--json'];
    const built = await gradus('index', 'build', corpus, '--out', index, '--encoder', encoder, ...options);
    expect(built.err).toBe('');
    const vectors = {
      model: encoder,
      kind: 'exact',
      scalar: 'f32',
      dimensions: 32,
      passages: 2,
      query_prefix: 'query: ',
    };
    expect(JSON.parse(built.out)).toMatchObject({ vectors });
    // The encoder's weights are random: only a text itself is sure to be the nearest.
    const add = ['index', 'vectors', index, '--encoder', encoder, '--vectors', 'hnsw', '--query-prefix', 'passage: '];
    const added = await gradus(...add, '--json');
    expect(JSON.parse(added.out)).toMatchObject({ vectors: { kind: 'hnsw', query_prefix: 'passage: ' } });
    expect((await gradus('index', 'info', index, '--verify')).out).toMatch(
      /vectors\s+│ .*encoder, 32 dimensions, hnsw/,
    );
    const text = 'Dell\nEstmark Dell is a country.';
    const dense = JSON.parse((await gradus('index', 'search', index, text, '--mode', 'dense', '--json')).out) as {
      hits: { id: string; score: number }[];
    };
    expect(dense.hits.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(dense.hits[0]?.score).toBeCloseTo(1, 3);
    const both = JSON.parse(
      (await gradus('index', 'search', index, text, '--mode', 'hybrid', '--json')).out,
    ) as unknown;
    expect(both).toMatchObject({ mode: 'hybrid', hits: [{ id: 'b', score: 2 / 61 }, { id: 'a' }] });
  },
  3 * buildTimeoutMs,
);

test(
  'what is wrong with vectors is said before anything is built',
  async () => {
    const { encoder, crossEncoder } = await tinyEncoders();
    const out = join(directory, 'no-vectors');
    const build = ['index', 'build', corpus, '--out', out, '--on-bad-line', 'skip'];
    expect((await gradus(...build, '--vectors', 'hnsw')).err).toContain('--vectors: needs --encoder MODEL');
    const absent = await gradus(...build, '--encoder', join(directory, 'nowhere'));
    expect(absent.err).toMatch(/^gradus: model .*nowhere: .* not found in .*nowhere; put them there/);
    expect(await readdir(directory)).not.toContain('no-vectors');
    expect((await gradus(...build)).code).toBe(0);
    expect((await gradus('index', 'search', out, 'town', '--mode', 'dense')).err).toMatch(
      /the index .* has no vectors; add them with: gradus index vectors .* --encoder MODEL/,
    );
    expect((await gradus('index', 'vectors', out, '--encoder', encoder)).code).toBe(0);
    const other = await gradus('index', 'search', out, 'town', '--mode', 'dense', '--encoder', crossEncoder);
    expect(other.err).toMatch(/made by .*tiny-encoders-.*\/encoder, the encoder is .*\/cross-encoder \(weightsSha256/);
  },
  3 * buildTimeoutMs,
);
