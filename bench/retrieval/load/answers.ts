import { fromBinary } from '@bufbuild/protobuf';
import { z } from 'zod';
import { SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import type { Reply } from './connection.ts';
import type { Verdict } from './tally.ts';

/** What a search should find: best first. */
export type Ranking = readonly { readonly id: string; readonly score: number }[];

/** The ranking in a Search answer to one query; throws where there is none. */
export function rankingFromGrpc(body: Uint8Array): Ranking {
  const { results } = fromBinary(SearchResponseSchema, body);
  if (results.length !== 1) throw new RangeError(`${results.length} results of one query`);
  return results[0]?.hits.map(({ id, score }) => ({ id, score })) ?? [];
}

const searchR1 = z.object({
  result: z.tuple([z.array(z.object({ document: z.object({ id: z.coerce.string() }), score: z.number() }))]),
});

/** The ranking in an answer of Search-R1's API to one query with scores; throws where there is none. */
export function rankingFromHttp(body: Uint8Array): Ranking {
  const { result } = searchR1.parse(JSON.parse(Buffer.from(body).toString('utf8')));
  return result[0].map(({ document, score }) => ({ id: document.id, score }));
}

/**
 * Equal ids in equal order, except that documents whose scores differ by no more than `tolerance` may change places:
 * a batch of another size moves the last bits of an embedding.
 */
export function isSameRanking(expected: Ranking, found: Ranking, tolerance: number): boolean {
  if (expected.length !== found.length) return false;
  return found.every(({ id, score }, index) => {
    const wanted = expected[index];
    if (wanted === undefined) return false;
    return wanted.id === id || Math.abs(wanted.score - score) <= tolerance;
  });
}

/**
 * Compares answers with the expected rankings. Bytes that were found right once are right without being read again, which
 * makes checking every answer nearly free.
 */
export function createJudge(
  expected: readonly Ranking[],
  rankingFrom: (body: Uint8Array) => Ranking,
  tolerance: number,
): (request: number, reply: Reply) => Verdict {
  const known: (Buffer | undefined)[] = [];
  return (request, reply) => {
    if (reply.kind === 'failed') return reply;
    const body = withoutTime(reply.body);
    if (known[request]?.equals(body) === true) return { kind: 'right' };
    let found: Ranking;
    try {
      found = rankingFrom(reply.body);
    } catch {
      return { kind: 'failed', reason: 'answer cannot be read' };
    }
    if (!isSameRanking(expected[request] ?? [], found, tolerance)) return { kind: 'wrong' };
    known[request] = Buffer.from(body);
    return { kind: 'right' };
  };
}

const timeField = Buffer.from(',"processing_time":');
const timeBytes = 64;

/** An answer of Menlo's API ends with the time that it took, which is another one each time. */
function withoutTime(body: Buffer): Buffer {
  const end = body.subarray(-timeBytes).indexOf(timeField);
  return end === -1 ? body : body.subarray(0, Math.max(0, body.length - timeBytes) + end);
}
