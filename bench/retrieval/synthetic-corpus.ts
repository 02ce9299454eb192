import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { createRandom } from '#environments/search/world/random.ts';

/**
 * A corpus of any size whose shape is that of MuSiQue's passages: 18 to 300 words of text (log-normal, median 67, mean 78),
 * titles of 1 to 5 words, and words by Zipf's law, of which there are more the longer the corpus is. Same seed, same bytes.
 * The words are random; the figures that depend on meaning (recall) cannot be had from it.
 */
export interface SyntheticCorpusOptions {
  readonly passages: number;
  readonly seed: number;
}

const words = { median: 67, sigma: 0.57, least: 18, most: 300 };
/** Words to draw from, more of them than are drawn; growth follows Heaps' law. */
const vocabularyOf = (passages: number): number => Math.round(150_000 * (passages / 12_475) ** 0.5);
const writeBytes = 1 << 20;

/** Draws a word's rank, 0 the most frequent. */
function createRanks(vocabulary: number, next: () => number): () => number {
  const cumulative = new Float64Array(vocabulary);
  let sum = 0;
  for (let rank = 0; rank < vocabulary; rank++) cumulative[rank] = sum += 1 / (rank + 1);
  return () => {
    const wanted = next() * sum;
    let low = 0;
    let high = vocabulary - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulative[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

const consonants = ['b', 'd', 'f', 'g', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z', 'ch', 'st'];
const vowels = ['a', 'e', 'i', 'o', 'u', 'ea', 'io', 'ou'];

/** A word of its own for every rank; frequent ones are short, as in every language. */
export function wordOf(rank: number): string {
  let rest = rank;
  let word = '';
  do {
    word += `${consonants[rest % 16] ?? ''}${vowels[(rest >> 4) % 8] ?? ''}`;
    rest = Math.floor(rest / 128) - 1;
  } while (rest >= 0);
  return rank < shortWords ? word : `${word}${consonants[rank % 13] ?? ''}`;
}

/** Share of a passage's words that stand in it already: texts repeat what they are about. */
const repeated = 0.22;
/** Share of a question's words that are among the ten most frequent ones, beyond what Zipf gives. */
const functionWords = 0.15;
const shortWords = 40;

interface Synthetic {
  passage(): { title: string; text: string };
  /** 9 to 19 words, common and rare ones. */
  question(): string;
}

export function createSynthetic({ passages, seed }: SyntheticCorpusOptions, label: string): Synthetic {
  const random = createRandom(`synthetic corpus ${seed} ${label}`);
  const rank = createRanks(vocabularyOf(passages), random.next);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const wordsOf = (count: number): string[] => Array.from({ length: count }, () => wordOf(rank()));
  const lengthOf = (): number =>
    Math.min(words.most, Math.max(words.least, Math.round(words.median * Math.exp(words.sigma * normal()))));
  function passage(): { title: string; text: string } {
    const title = wordsOf(1 + random.below(5));
    const seen = [...title];
    const length = lengthOf();
    while (seen.length < title.length + length) {
      seen.push(random.next() < repeated ? random.pick(seen) : wordOf(rank()));
    }
    const text = seen.slice(title.length);
    for (let at = 8 + random.below(20); at < text.length; at += 8 + random.below(20)) text[at] += '.';
    return { title: title.join(' '), text: `${text.join(' ')}.` };
  }
  function question(): string {
    const asked = Array.from({ length: 9 + random.below(11) }, () =>
      wordOf(random.next() < functionWords ? random.below(10) : rank()),
    );
    return `${asked.join(' ')}?`;
  }
  return { passage, question };
}

/** Streams the corpus to a file; gives its size. */
export async function writeSyntheticCorpus(
  path: string,
  options: SyntheticCorpusOptions,
  onProgress: (passages: number) => void = () => {},
): Promise<{ readonly bytes: number }> {
  const { passage } = createSynthetic(options, 'passages');
  const file = createWriteStream(path, { highWaterMark: writeBytes });
  let bytes = 0;
  let lines: string[] = [];
  for (let index = 0; index < options.passages; index++) {
    const { title, text } = passage();
    lines.push(`${JSON.stringify({ id: `s${String(index).padStart(8, '0')}`, contents: `${title}\n${text}` })}\n`);
    if (lines.length < 1_000 && index + 1 < options.passages) continue;
    const block = Buffer.from(lines.join(''));
    bytes += block.length;
    lines = [];
    if (!file.write(block)) await once(file, 'drain');
    if ((index + 1) % 100_000 === 0) onProgress(index + 1);
  }
  file.end();
  await finished(file);
  return { bytes };
}

/** Questions for a synthetic corpus. */
export function syntheticQuestions(options: SyntheticCorpusOptions, count: number): string[] {
  const { question } = createSynthetic(options, 'questions');
  return Array.from({ length: count }, question);
}
