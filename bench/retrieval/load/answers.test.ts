import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { createJudge, isSameRanking, rankingFromGrpc, rankingFromHttp } from './answers.ts';

const expected = [
  { id: 'a', score: 3 },
  { id: 'b', score: 2 },
  { id: 'c', score: 2 },
];

test('another document, another order or another number of documents is another ranking', () => {
  const [a, b, c] = [expected.slice(0, 1), expected.slice(1, 2), expected.slice(2)];
  expect(isSameRanking(expected, expected, 0)).toBe(true);
  expect(isSameRanking(expected, [...b, ...a, ...c], 1e-4)).toBe(false);
  expect(isSameRanking(expected, [...a, ...b], 1e-4)).toBe(false);
  expect(isSameRanking(expected, [...a, ...b, { id: 'd', score: 1 }], 1e-4)).toBe(false);
});

test('documents of equal score may change places', () => {
  const [a, b, c] = [expected.slice(0, 1), expected.slice(1, 2), expected.slice(2)];
  expect(isSameRanking(expected, [...a, ...c, ...b], 1e-4)).toBe(true);
});

test('rankings are read from both wires', () => {
  const hits = expected.map(({ id, score }) => ({ id, score, preview: 'p' }));
  expect(
    rankingFromGrpc(toBinary(SearchResponseSchema, create(SearchResponseSchema, { results: [{ hits }] }))),
  ).toEqual(expected);
  const rows = expected.map(({ id, score }) => ({ document: { id, contents: '"t"\nx' }, score }));
  expect(rankingFromHttp(Buffer.from(JSON.stringify({ result: [rows] })))).toEqual(expected);
});

test('an answer to another query is wrong, an answer that is no answer is an error', () => {
  const judge = createJudge([expected, []], rankingFromHttp, 0);
  const rows = expected.map(({ id, score }) => ({ document: { id }, score }));
  const body = Buffer.from(JSON.stringify({ result: [rows] }));
  for (let call = 0; call < 2; call++) expect(judge(0, { kind: 'answer', body })).toEqual({ kind: 'right' });
  const timed = Buffer.from(JSON.stringify({ result: [rows], processing_time: 0.25 }));
  for (let call = 0; call < 2; call++) expect(judge(0, { kind: 'answer', body: timed })).toEqual({ kind: 'right' });
  expect(judge(1, { kind: 'answer', body: timed })).toEqual({ kind: 'wrong' });
  expect(judge(1, { kind: 'answer', body })).toEqual({ kind: 'wrong' });
  expect(judge(0, { kind: 'answer', body: Buffer.from('{"result": []}') })).toMatchObject({ kind: 'failed' });
  expect(judge(0, { kind: 'answer', body: Buffer.from('oops') })).toMatchObject({ kind: 'failed' });
});
