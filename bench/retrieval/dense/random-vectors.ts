import { createRandom } from '#environments/search/world/random.ts';
import type { Encoder } from '../../../services/retrieval/models/encoder.ts';

const centreCount = 1_000;
/** Of a vector from its centre, in the centre's own size. */
const spread = 0.5;

/**
 * Unit vectors without meaning around a thousand centres, as texts of many topics give. Two sources of the same dimensions
 * share the centres; another label draws other vectors.
 */
function randomVectors(dimensions: number, label: string): (count: number) => Float32Array {
  // The sum of four uniform numbers is near enough to normal.
  const normalOf = (random: ReturnType<typeof createRandom>) => (): number =>
    random.next() + random.next() + random.next() + random.next() - 2;
  const centres = Float32Array.from(
    { length: centreCount * dimensions },
    normalOf(createRandom(`centres of ${dimensions}`)),
  );
  const random = createRandom(label);
  const normal = normalOf(random);

  function write(vectors: Float32Array, at: number): void {
    const centre = random.below(centreCount) * dimensions;
    let squares = 0;
    for (let index = 0; index < dimensions; index++) {
      const value = (centres[centre + index] ?? 0) + spread * normal();
      vectors[at + index] = value;
      squares += value * value;
    }
    const length = Math.sqrt(squares);
    for (let index = at; index < at + dimensions; index++) vectors[index] = (vectors[index] ?? 0) / length;
  }

  return (count) => {
    const vectors = new Float32Array(count * dimensions);
    for (let row = 0; row < count; row++) write(vectors, row * dimensions);
    return vectors;
  };
}

/**
 * The encoder's shape with random vectors: encoding a whole corpus with a real model takes hours on a CPU, and searching it
 * is as fast whatever the vectors say.
 */
export function withRandomVectors(encoder: Encoder): Encoder {
  const vectors = randomVectors(encoder.dimensions, 'passages');
  return { ...encoder, encode: async (texts) => vectors(texts.length) };
}
