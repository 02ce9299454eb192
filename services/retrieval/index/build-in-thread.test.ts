import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildInThread } from './build-in-thread.ts';
import { readManifest } from './manifest.ts';
import type { BuildProgress } from './write-index.ts';

let directory = '';
let corpusPath = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-thread-'));
  corpusPath = join(directory, 'corpus.jsonl');
  const row = (id: number): string => JSON.stringify({ id, text: `word${id} `.repeat(20) });
  await writeFile(corpusPath, Array.from({ length: 20_000 }, (_, id) => row(id)).join('\n'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('a build in a thread of its own', () => {
  test('leaves the event loop of its caller free, and reports its progress', async () => {
    const seen: BuildProgress[] = [];
    const target = join(directory, 'index');
    const state = { turns: 0, done: false };
    const build = buildInThread({
      corpusPath,
      directory: target,
      settings: { titleBoost: 2 },
      onProgress: (progress) => seen.push(progress),
    }).finally(() => (state.done = true));
    for (; !state.done; state.turns += 1) await setImmediate();
    expect(await build).toEqual(await readManifest(target));
    expect(seen.at(-1)).toMatchObject({ phase: 'merging', pages: 20_000, terms: 20_000 });
    expect(state.turns).toBeGreaterThan(seen.length);
  });

  test('fails as a build in this thread does', async () => {
    await writeFile(corpusPath, '{}');
    const build = buildInThread({ corpusPath, directory: join(directory, 'index'), settings: {} });
    await expect(build).rejects.toMatchObject({ name: 'TerminalError', code: 'invalid_argument' });
    await expect(build).rejects.toThrow(/corpus.jsonl:1: id: missing/);
  });

  test('stops when its signal aborts, before or while it runs, and leaves nothing behind', async () => {
    const stopping = new AbortController();
    const target = join(directory, 'index');
    const onProgress = (): void => stopping.abort();
    const build = buildInThread({ corpusPath, directory: target, settings: {}, onProgress, signal: stopping.signal });
    await expect(build).rejects.toMatchObject({ name: 'CancelledError' });
    const late = buildInThread({ corpusPath, directory: target, settings: {}, signal: stopping.signal });
    await expect(late).rejects.toMatchObject({ name: 'CancelledError' });
    expect(await readdir(directory)).toEqual(['corpus.jsonl']);
  });
});
