import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDigestCache } from './digest-cache.ts';
import { surveyInputs } from './survey-inputs.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'gradus-inputs-'));
  await mkdir(join(home, 'model'));
  await mkdir(join(home, 'scorers'));
  await mkdir(join(home, 'e5/onnx'), { recursive: true });
  for (const [file, text] of Object.entries({
    'train.jsonl': 'train',
    'held_out.jsonl': 'held out',
    'corpus.jsonl': 'corpus',
    'model/config.json': '{}',
    'model/model.safetensors': 'weights',
    'model/README.md': 'not read',
    'e5/tokenizer.json': '{}',
    'e5/README.md': 'not read',
    'e5/onnx/model.onnx': 'weights of the encoder',
    'scorers/reward.py': 'import lib',
    'scorers/lib.py': 'x = 1',
    'scorers/notes.txt': 'not read',
  }))
    await writeFile(join(home, file), text);
});
afterEach(() => rm(home, { recursive: true }));

const paths = () => ({
  model: join(home, 'model'),
  train: join(home, 'train.jsonl'),
  held_out: join(home, 'held_out.jsonl'),
  corpus: join(home, 'corpus.jsonl'),
  search_models: { encoder: join(home, 'e5') },
  scorers: { house: join(home, 'scorers/reward.py') },
});

async function survey(onProgress?: (read: number, total: number) => void) {
  const signal = new AbortController().signal;
  const options = { cacheFile: join(home, 'digests.json'), signal, ...(onProgress !== undefined && { onProgress }) };
  return await surveyInputs(paths(), options);
}

/** As files are that nobody has written to for a while. */
async function settle(): Promise<void> {
  const cache = JSON.parse(await readFile(join(home, 'digests.json'), 'utf8').catch(() => '{"format":1,"files":{}}'));
  const files = ['train.jsonl', 'held_out.jsonl', 'corpus.jsonl', 'model/config.json', 'model/model.safetensors'];
  const searchModel = ['e5/tokenizer.json', 'e5/onnx/model.onnx'];
  for (const file of [...files, ...searchModel, 'scorers/reward.py', 'scorers/lib.py']) {
    const path = join(home, file);
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    cache.files[path] = { stamp: [dev, ino, size, mtimeNs, ctimeNs].join(' '), digest };
  }
  await writeFile(join(home, 'digests.json'), JSON.stringify(cache));
}

test('data, corpus, everything that is loaded of a model and of an encoder, and a scorer with its neighbours are recorded by content', async () => {
  const found = await survey();
  expect(found.map(({ name }) => name)).toEqual([
    'train',
    'held_out',
    'corpus',
    'model/config.json',
    'model/model.safetensors',
    'search_models/encoder/tokenizer.json',
    'search_models/encoder/onnx/model.onnx',
    'scorers/house/lib.py',
    'scorers/house/reward.py',
  ]);
  expect(found[0]).toMatchObject({
    path: join(home, 'train.jsonl'),
    digest: createHash('sha256').update('train').digest('hex'),
    bytes: 5,
  });
});

test('P10: what is known by size, inode and times is not read again; what was written to is', async () => {
  const before = await survey();
  await settle();
  const read: number[] = [];
  expect(await survey((bytes) => void read.push(bytes))).toEqual(before);
  expect(read).toEqual([]);

  // The same length, and the old time of modification set by hand.
  const train = join(home, 'train.jsonl');
  const { mtime, ctimeNs } = await stat(train, { bigint: true });
  // The clock of a file system ticks every few milliseconds.
  while ((await stat(train, { bigint: true })).ctimeNs === ctimeNs) {
    await writeFile(train, 'trail');
    await utimes(train, mtime, mtime);
  }
  const after = await survey((bytes) => void read.push(bytes));
  expect(after.filter(({ digest }, index) => digest !== before[index]?.digest).map(({ name }) => name)).toEqual([
    'train',
  ]);
  expect(read).toEqual([5]);
});

test('a file that was written to a moment ago is read again the next time: its times may not have moved', async () => {
  const cache = await openDigestCache(join(home, 'digests.json'));
  const path = join(home, 'train.jsonl');
  const stats = await stat(path, { bigint: true });
  const changedMs = Number(stats.ctimeMs);
  cache.set(path, stats, 'a'.repeat(64), changedMs + 1);
  expect(cache.get(path, stats)).toBeUndefined();
  cache.set(path, stats, 'a'.repeat(64), changedMs + 60_000);
  expect(cache.get(path, stats)).toBe('a'.repeat(64));
});

test('a broken cache is an empty one', async () => {
  const before = await survey();
  await writeFile(join(home, 'digests.json'), '{"format":1,"files":{"/x":{"stamp"');
  expect(await survey()).toEqual(before);
});

test('files that are not there are left out, and one that is replaced by the same is the same', async () => {
  const before = await survey();
  await rm(join(home, 'corpus.jsonl'));
  expect((await survey()).map(({ name }) => name)).not.toContain('corpus');
  await writeFile(join(home, 'new'), 'corpus');
  await rename(join(home, 'new'), join(home, 'corpus.jsonl'));
  expect((await survey()).map(({ digest }) => digest)).toEqual(before.map(({ digest }) => digest));
});
