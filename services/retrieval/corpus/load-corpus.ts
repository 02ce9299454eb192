import { createHash } from 'node:crypto';
import { TerminalError } from '#shared/errors.ts';
import { parseDocument, type Document } from './parse-document.ts';
import { readLines } from './read-lines.ts';

/** All documents of one file, in its order. Immutable. */
export interface Corpus {
  readonly path: string;
  readonly documents: readonly Document[];
  readonly byId: ReadonlyMap<string, Document>;
  /** SHA-256 of the file's bytes, lower-case hex. */
  readonly hash: string;
}

/** Reads a JSONL corpus; blank lines are allowed. Throws `TerminalError` with `file:line: field` on the first bad row. */
export async function loadCorpus(path: string, signal?: AbortSignal): Promise<Corpus> {
  const hash = createHash('sha256');
  const documents: Document[] = [];
  const byId = new Map<string, Document>();
  const lineOfId = new Map<string, number>();
  const lines = readLines(path, {
    onBytes: (bytes) => hash.update(bytes),
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const { text, number } of lines) {
    if (text.trim() === '') continue;
    const document = parseDocument(text, `${path}:${number}`);
    const earlier = lineOfId.get(document.id);
    if (earlier !== undefined) {
      throw new TerminalError(
        'invalid_argument',
        `${path}:${number}: id: ${JSON.stringify(document.id)} stands on line ${earlier} already; ids must be unique`,
      );
    }
    lineOfId.set(document.id, number);
    byId.set(document.id, document);
    documents.push(document);
  }
  if (documents.length === 0) {
    throw new TerminalError(
      'invalid_argument',
      `${path}: holds no documents; give a corpus with one JSON object per line`,
    );
  }
  return { path, documents, byId, hash: hash.digest('hex') };
}
