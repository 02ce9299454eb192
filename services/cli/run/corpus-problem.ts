import { extname } from 'node:path';
import { errorFrom } from '#platform/errors.ts';
import { lastLineProblem } from '#platform/files/last-line.ts';
import { storageOf } from '#platform/records/stored-bytes.ts';
import { readPages } from '../../retrieval/corpus/read-pages.ts';

/** A look, not the hours that a large corpus takes to read. */
const looked = 1000;

/**
 * Why a corpus cannot be searched, in words that begin with its path, as its first documents show and, where it has more and each is a line,
 * its last; undefined when they can be read.
 */
export async function corpusProblem(path: string): Promise<string | undefined> {
  try {
    let count = 0;
    for await (const _ of readPages(path, { check: () => undefined })) {
      count += 1;
      if (count < looked) continue;
      const hasLines = extname(path) === '.jsonl' && (await storageOf(path)) === 'plain';
      return hasLines ? await lastLineProblem(path) : undefined;
    }
    return count === 0 ? `${path}: holds no documents` : undefined;
  } catch (thrown) {
    return errorFrom(thrown).message;
  }
}
