import { readFileSync } from 'node:fs';
import { seededRandom } from '../../../tests/fixtures/clustered-vectors.ts';

const wordsOf = (text: string): string[] => text.toLowerCase().match(/\p{L}+|\p{N}+/gu) ?? [];

/**
 * Vectors of length 1 that lie as those of real texts do, without any weights: a text is the sum of a random direction a
 * word, each as strong as the word is rare. Inner products are then those of tf-idf, about.
 */
export function createWordVectors(
  texts: readonly string[],
  dimensions: number,
): (texts: readonly string[]) => Float32Array {
  const frequencies = new Map<string, number>();
  for (const text of texts)
    for (const word of new Set(wordsOf(text))) frequencies.set(word, (frequencies.get(word) ?? 0) + 1);
  const random = seededRandom(1);
  const directions = new Map<string, Float32Array>();
  for (const [word, frequency] of frequencies) {
    const weight = Math.log(1 + texts.length / frequency);
    // The sum of four uniform numbers is near enough to a normal one.
    const normal = (): number => random() + random() + random() + random() - 2;
    directions.set(
      word,
      Float32Array.from({ length: dimensions }, () => weight * normal()),
    );
  }
  return (all) => {
    const vectors = new Float32Array(all.length * dimensions);
    for (const [row, text] of all.entries()) {
      const vector = vectors.subarray(row * dimensions, (row + 1) * dimensions);
      for (const word of wordsOf(text)) {
        const direction = directions.get(word);
        if (direction !== undefined)
          for (let at = 0; at < dimensions; at += 1) vector[at] = (vector[at] ?? 0) + (direction[at] ?? 0);
      }
      const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1;
      for (let at = 0; at < dimensions; at += 1) vector[at] = (vector[at] ?? 0) / length;
    }
    return vectors;
  };
}

/** Title and text of each passage of a corpus in JSONL. */
export function readPassages(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const {
        title = '',
        text = '',
        contents = '',
      } = JSON.parse(line) as { title?: string; text?: string; contents?: string };
      return contents === '' ? `${title}\n${text}` : contents;
    });
}
