import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIndex } from '../../../services/retrieval/index/build-index.ts';
import { connectDatabase } from '../../../services/retrieval/lancedb/connect-database.ts';
import { openLancedbIndex } from '../../../services/retrieval/lancedb/lancedb-index.ts';
import { publishIndex } from '../../../services/retrieval/lancedb/publish-index.ts';
import type { Engine, EngineQuestion } from './engine.ts';

const timeoutMs = 60_000;

/** Full-text search over our words, as the service's backend has it. */
export async function openLancedb({ corpus, topK }: EngineQuestion): Promise<Engine> {
  const scratch = await mkdtemp(join(tmpdir(), 'gradus-lancedb-'));
  const directory = join(scratch, 'index');
  const uri = join(scratch, 'database');
  await buildIndex({ corpusPath: corpus, directory, settings: {} });
  await publishIndex({ directory, uri });
  const connection = await connectDatabase({ uri });
  const index = await openLancedbIndex(connection, uri);
  return {
    search: async (query) => (await index.searchWords(query, { topK, withText: false, timeoutMs })).map(({ id }) => id),
    async close() {
      index.close();
      connection.close();
      await rm(scratch, { recursive: true });
    },
  };
}
