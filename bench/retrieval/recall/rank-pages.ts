import type { IndexReader } from '../../../services/retrieval/index/index-reader.ts';

/** How many passages are looked at for one page, where pages are chunked. */
const chunksPerPage = 8;

/** Ids of the first `limit` pages that the words of a query find; a page stands where its best chunk does. */
export function rankPages(reader: IndexReader, query: string, limit: number, chunked: boolean): string[] {
  const { passages } = reader.search(query, chunked ? chunksPerPage * limit : limit);
  return pagesOf(reader, passages).slice(0, limit);
}

/** Ids of the pages that passages are of, each once. */
export function pagesOf(reader: IndexReader, passages: Uint32Array): string[] {
  const ids = Array.from(passages, (passage) => {
    const { id, parentId } = reader.card(passage);
    return parentId === '' ? id : parentId;
  });
  return [...new Set(ids)];
}
