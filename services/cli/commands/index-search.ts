import { resolve } from 'node:path';
import { z } from 'zod';
import { exitCodes } from '../exit-codes.ts';
import { runIndexTask } from '../index/run-index-task.ts';
import { modelPath } from '../index/vectors-request.ts';
import { tableLines } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface IndexSearchOptions {
  readonly hits: number;
  readonly k1?: number;
  readonly b?: number;
  readonly mode: 'lexical' | 'dense' | 'hybrid';
  readonly encoder?: string;
  readonly json: boolean;
}

const found = z.looseObject({
  query: z.string(),
  milliseconds: z.number(),
  hits: z.array(
    z.looseObject({ rank: z.number(), score: z.number(), id: z.string(), title: z.string(), preview: z.string() }),
  ),
});

/** Answers one query from an index, as the service would. */
export async function indexSearchCommand(
  directory: string,
  words: readonly string[],
  { hits: k, k1, b, mode, encoder: model, json }: IndexSearchOptions,
  terminal: Terminal,
): Promise<number> {
  const encoder = model === undefined ? undefined : modelPath(model);
  const task = { task: 'search', directory: resolve(directory), query: words.join(' '), k, k1, b, mode, encoder };
  const answer = await runIndexTask(task, found);
  if (json) {
    terminal.out(jsonLine(answer));
    return exitCodes.ok;
  }
  if (answer.hits.length === 0) {
    terminal.out('nothing found: no passage holds a word of the query');
    return exitCodes.ok;
  }
  const previewWidth = Math.max(30, terminal.columns - 60);
  const rows = answer.hits.map(({ rank, score, id, title, preview }) => [
    `${rank}`,
    score.toFixed(4),
    id,
    title,
    preview,
  ]);
  terminal.out(
    tableLines(rows, {
      head: ['', 'score', 'id', 'title', 'preview'],
      align: ['right', 'right', 'left', 'left', 'left'],
      widths: [null, null, null, 28, previewWidth],
    }),
  );
  return exitCodes.ok;
}
