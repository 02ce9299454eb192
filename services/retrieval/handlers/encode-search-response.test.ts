import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { HitsSchema, SearchMode, SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { encodeSearchResponse } from './encode-search-response.ts';

test('a response put together from encoded hits is the one that the schema describes', () => {
  const lists = [[], [{ id: 'a', score: 1.5 }], [{ id: 'b', text: 'x'.repeat(70_000), score: 2 }, { id: 'c' }]];
  const indexVersion = 'c0ffee'.repeat(10).padEnd(64, '0');
  const { bytes } = encodeSearchResponse({
    results: lists.map((hits) => toBinary(HitsSchema, create(HitsSchema, { hits }))),
    indexVersion,
    mode: 'hybrid',
    reranked: true,
  });
  const expected = create(SearchResponseSchema, {
    results: lists.map((hits) => ({ hits })),
    indexVersion,
    mode: SearchMode.HYBRID,
    reranked: true,
  });
  expect(fromBinary(SearchResponseSchema, bytes)).toEqual(expected);
  expect(Buffer.compare(bytes, toBinary(SearchResponseSchema, expected))).toBe(0);
});
