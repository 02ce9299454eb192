import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import { createWorld } from '../world/create-world.ts';
import type { SearchSource } from '../search-tools.ts';
import { readMixture, type Mixture } from './mixture.ts';
import { planOf } from './plan.ts';
import type { DemonstratedEpisode } from './run-episode.ts';
import { writeDemonstrations, type DemonstrationJob } from './write-demonstrations.ts';

let root = '';
let mixture: Mixture;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-demonstrate-'));
  mixture = await readMixture(join(import.meta.dirname, 'mixture.yaml'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const world = createWorld({ seed: 1, trainEntities: 400, heldOutEntities: 60 });
const rows = world.questions('train', 300);
const plans = rows.flatMap((row) => planOf(row) ?? []);
const answerOf = new Map(rows.map((row) => [row.question, row.answer]));

/** The page itself, then the next one: enough of a search engine for exact names. */
const tools: SearchSource = {
  search: async (query, topK) => {
    const at = world.pages.findIndex(({ title }) => title === query);
    return world.pages.slice(at, at + topK).map(({ id, title, text }) => ({ id, title, preview: text.slice(0, 150) }));
  },
  fetch: async (id) => world.pages.find((page) => page.id === id),
};

async function demonstrations(name: string, change: Partial<DemonstrationJob> = {}): Promise<DemonstratedEpisode[]> {
  const out = join(root, name);
  await writeDemonstrations({
    plans,
    mixture,
    source: tools,
    count: 600,
    seed: 1,
    out,
    concurrency: 64,
    signal: new AbortController().signal,
    ...change,
  });
  const lines = (await readFile(out, 'utf8')).trim().split('\n');
  return lines.map((line): DemonstratedEpisode => JSON.parse(line));
}

const modelTexts = (episode: DemonstratedEpisode): string[] =>
  episode.segments.filter(({ kind }) => kind === 'model').map(({ text }) => text);
const prediction = (episode: DemonstratedEpisode): string =>
  /<answer> (.*)<\/answer>$/.exec(modelTexts(episode).at(-1) ?? '')?.[1] ?? '';
const answer = (episode: DemonstratedEpisode): string => answerOf.get(episode.segments[0]?.text ?? '') ?? '?';
const only = (kind: keyof Mixture['kinds']): Mixture => ({
  ...mixture,
  kinds: { full: 0, early: 0, guess: 0, sloppy: 0, [kind]: 1 },
});

describe('demonstrations', () => {
  test('P8: are the same bytes for the same seed, however many run at once', async () => {
    await demonstrations('a', { count: 100 });
    await demonstrations('b', { count: 100, concurrency: 3 });
    await demonstrations('c', { count: 100, seed: 2 });
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => readFile(join(root, name), 'utf8')));
    expect(b).toBe(a);
    expect(c).not.toBe(a);
  });

  test('are of the kinds that the mixture asks for, and ask every question in turn', async () => {
    const episodes = await demonstrations('shares');
    const share = (kind: string): number =>
      episodes.filter((episode) => episode.kind === kind).length / episodes.length;
    expect(share('full')).toBeCloseTo(0.45, 1);
    expect(share('early')).toBeCloseTo(0.27, 1);
    expect(share('guess')).toBeCloseTo(0.08, 1);
    expect(share('sloppy')).toBeCloseTo(0.2, 1);
    expect(new Set(episodes.map(({ segments }) => segments[0]?.text)).size).toBe(plans.length);
  });

  test('alternate between prompt, model and environment, and end with the model', async () => {
    for (const { segments } of await demonstrations('order', { count: 100 })) {
      expect(segments.map(({ kind }) => kind)).toEqual(
        segments.map((_, i) => (i === 0 ? 'prompt' : i % 2 === 1 ? 'model' : 'environment')),
      );
      expect(segments.at(-1)?.kind).toBe('model');
    }
  });
});

describe('a demonstrator', () => {
  test('of the full kind answers rightly, half of them skipping pages whose preview says enough', async () => {
    const episodes = await demonstrations('full', { mixture: only('full') });
    for (const episode of episodes) expect(prediction(episode)).toBe(answer(episode));
    const scrapes = episodes.flatMap(modelTexts).filter((text) => text.includes('scrape')).length;
    const hops = episodes.reduce((sum, episode) => sum + episode.hops, 0);
    expect(scrapes).toBeLessThan(hops);
    const diligent = await demonstrations('diligent', { mixture: { ...only('full'), skip_scrape: 0 } });
    for (const episode of diligent) expect(modelTexts(episode)).toHaveLength(2 * episode.hops + 1);
  });

  test('of the early kind answers with the entity before the last hop', async () => {
    const last = new Map(rows.map((row) => [row.question, row.question_decomposition.at(-2)?.answer]));
    for (const episode of await demonstrations('early', { mixture: only('early'), count: 200 })) {
      expect(prediction(episode)).toBe(last.get(episode.segments[0]?.text ?? ''));
    }
  });

  test('of the guessing kind answers at once', async () => {
    const episodes = await demonstrations('guess', { mixture: only('guess'), count: 200 });
    for (const episode of episodes) expect(episode.segments).toHaveLength(2);
    expect(episodes.filter((episode) => prediction(episode) === answer(episode)).length).toBeLessThan(20);
  });

  test('of another kind makes faults where the mixture calls it faulty, and ends as its kind does', async () => {
    const last = new Map(rows.map((row) => [row.question, row.question_decomposition.at(-2)?.answer]));
    const faulty: Mixture = { ...only('early'), faulty: ['early'], fault_rate: 1 };
    for (const episode of await demonstrations('faulty', { mixture: faulty, count: 200 })) {
      expect(prediction(episode)).toBe(last.get(episode.segments[0]?.text ?? ''));
      expect(modelTexts(episode).length).toBeGreaterThan(2 * (episode.hops - 1));
    }
    const proper = await demonstrations('proper', { mixture: { ...faulty, faulty: ['sloppy'] }, count: 200 });
    for (const { segments } of proper) expect(segments.some(({ text }) => text.includes('error:'))).toBe(false);
  });

  test('of the sloppy kind makes each kind of fault, heeds the notice, and gets there', async () => {
    const episodes = await demonstrations('sloppy', { mixture: only('sloppy') });
    for (const episode of episodes) expect(prediction(episode)).toBe(answer(episode));
    const environment = episodes.flatMap(({ segments }) =>
      segments.filter(({ kind }) => kind === 'environment').map(({ text }) => text),
    );
    for (const notice of ['no such tool', 'not valid JSON', 'not closed', 'only one call']) {
      expect(environment.filter((text) => text.includes(notice)).length, notice).toBeGreaterThan(20);
    }
    const repeats = episodes.flatMap((episode) =>
      modelTexts(episode).filter((text, i, all) => text.includes('websearch') && all.indexOf(text) < i),
    );
    expect(repeats.length).toBeGreaterThan(20);
    expect(episodes.flatMap(modelTexts).filter((text) => text.endsWith('<|end|>')).length).toBeGreaterThan(20);
  });
});

describe('thoughts', () => {
  const thinking = (kind: 'none' | 'short' | 'long', filterRate = 0): Mixture => ({
    ...only('full'),
    environment: { ...mixture.environment, think: 'allowed' },
    thoughts: { kinds: { none: 0, short: 0, long: 0, [kind]: 1 }, filter_rate: filterRate },
  });
  const withoutThought = (text: string): string => text.slice(text.indexOf('</think>') + '</think>'.length);

  test('stand in front of the same turns, begun or closed by what stands before', async () => {
    const plain = await demonstrations('unthought', { mixture: only('full'), count: 50 });
    for (const kind of ['none', 'short', 'long'] as const) {
      const episodes = await demonstrations(`thought-${kind}`, { mixture: thinking(kind), count: 50 });
      const opening = kind === 'none' ? '<think></think>' : '<think>';
      expect(
        episodes.map(({ segments }) =>
          segments.map((segment) => ({
            ...segment,
            text:
              segment.kind !== 'model'
                ? segment.text.replace(new RegExp(`${opening}$`), '')
                : kind === 'none'
                  ? segment.text
                  : withoutThought(segment.text),
          })),
        ),
      ).toEqual(plain.map(({ segments }) => segments));
      for (const text of episodes.flatMap(modelTexts)) expect(text.includes('</think>')).toBe(kind !== 'none');
    }
  });

  test('that are long are longer, and end in filters as often as the mixture says', async () => {
    const lengthOf = (episodes: readonly DemonstratedEpisode[]): number =>
      episodes.flatMap(modelTexts).reduce((sum, text) => sum + text.indexOf('</think>'), 0);
    const short = await demonstrations('short', { mixture: thinking('short'), count: 50 });
    const long = await demonstrations('long', { mixture: thinking('long'), count: 50 });
    expect(lengthOf(long)).toBeGreaterThan(2 * lengthOf(short));
    expect(long.flatMap(modelTexts).filter((text) => text.includes(String.raw`\"`))).toEqual([]);
    // This search knows exact titles alone, so that a filter in the second search leaves the demonstrator with what it has.
    const filtered = await demonstrations('filtered', { mixture: thinking('long', 1), count: 50 });
    for (const episode of filtered) {
      const searches = modelTexts(episode).filter((text) => text.includes('websearch'));
      expect(searches).toHaveLength(2);
      expect(searches[0]).not.toContain(String.raw`\"`);
      expect(searches[1]).toMatch(/"query": "[^"]+ \\" \p{Lu}.+ \\""/u);
      expect(prediction(episode)).not.toBe(answer(episode));
    }
  });
});

describe('bad input', () => {
  test('P2: a search service that fails ends the job with its error and leaves no file', async () => {
    const away: SearchSource = {
      ...tools,
      fetch: () => Promise.reject(new TransientError('unavailable', 'retrieval is unavailable')),
    };
    await expect(demonstrations('away', { source: away })).rejects.toThrow('retrieval is unavailable');
    expect((await readdir(root)).filter((name) => name.startsWith('away'))).toEqual([]);
  });

  test('an interrupted job leaves no file', async () => {
    const stop = new AbortController();
    const job = demonstrations('stopped', { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(job).rejects.toMatchObject({ code: 'cancelled' });
    expect((await readdir(root)).filter((name) => name.startsWith('stopped'))).toEqual([]);
  });

  test('a place that cannot be written, and no questions, are errors', async () => {
    await expect(demonstrations('no/such/place')).rejects.toThrow(/ENOENT/);
    await expect(demonstrations('none', { plans: [] })).rejects.toThrow(/no question/);
  });

  test('a mixture with unknown keys or weights that cannot be is refused by name', async () => {
    const path = join(root, 'mixture.yaml');
    await writeFile(path, 'kinds: { full: 1, early: 0, guess: 0, sloppy: -1 }\n');
    await expect(readMixture(path)).rejects.toThrow(/mixture\.yaml: kinds\.sloppy/);
    const whole = await readFile(join(import.meta.dirname, 'mixture.yaml'), 'utf8');
    await writeFile(path, `${whole}thoughts: { kinds: { none: 1, short: 1, long: 1 }, filter_rate: 0 }\n`);
    await expect(readMixture(path)).rejects.toThrow(/mixture\.yaml: thoughts: environment\.think is violation/);
    await expect(readMixture(join(root, 'absent.yaml'))).rejects.toThrow(/absent\.yaml/);
  });
});
