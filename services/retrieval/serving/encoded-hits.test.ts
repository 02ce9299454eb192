import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HitsSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { decodeHits, createHitsWriter, encodeHits } from './encoded-hits.ts';

const hit = fc.record({
  id: fc.string({ unit: 'binary' }),
  title: fc.string({ unit: 'binary' }),
  preview: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('é'.repeat(63), 'é'.repeat(64), 'x'.repeat(150))),
  score: fc.double({ noNaN: true }),
  parentId: fc.string(),
  text: fc.oneof(
    fc.constant(''),
    fc.string(),
    fc.integer({ min: 100, max: 40_000 }).map((length) => '東'.repeat(length)),
  ),
});

test('hits are encoded byte for byte as the schema says, and come back as they were', () => {
  fc.assert(
    fc.property(fc.array(hit, { maxLength: 5 }), (hits) => {
      const encoded = encodeHits(hits);
      // -0 and 0 are the same score; only the generated code distinguishes them.
      const plain = hits.map((one) => ({ ...one, score: one.score === 0 ? 0 : one.score }));
      expect(Buffer.compare(encoded, toBinary(HitsSchema, create(HitsSchema, { hits: plain })))).toBe(0);
      expect(decodeHits(encoded)).toMatchObject(plain);
    }),
    { numRuns: 300 },
  );
});

const plainHit = { id: 'a', title: 'A', preview: 'first', score: 1, parentId: '', text: '' };

test('a writer puts lists behind each other, forgets what is dropped, and starts anew after each take', () => {
  const writer = createHitsWriter();
  writer.add(plainHit);
  const { size } = writer;
  writer.add({ ...plainHit, id: 'b', text: 'x'.repeat(1_000_000) });
  writer.drop(size);
  writer.add({ ...plainHit, id: 'c' });
  const taken = writer.take();
  expect(decodeHits(taken.subarray(0, size)).map(({ id }) => id)).toEqual(['a']);
  expect(decodeHits(taken.subarray(size)).map(({ id }) => id)).toEqual(['c']);
  expect(writer.size).toBe(0);
  writer.add(plainHit);
  expect(writer.take()).toEqual(encodeHits([plainHit]));
  expect(decodeHits(taken.subarray(0, size)).map(({ id }) => id)).toEqual(['a']);
});

test('no hits are no bytes', () => {
  expect(encodeHits([]).length).toBe(0);
  expect(decodeHits(encodeHits([]))).toEqual([]);
});
