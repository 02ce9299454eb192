import { readLines } from '#platform/files/read-lines.ts';
import { exitCodes } from '../exit-codes.ts';
import { createRowScorer, type ScoreTally } from '../answer-rows/score-rows.ts';
import { openFileSink, stdoutSink, type LineSink } from '../answer-rows/line-sink.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface RewardScoreOptions {
  readonly metric: string;
  readonly settings: string;
  readonly out: string | undefined;
  readonly onBadRow: 'stop' | 'skip';
}

/** Written at once; a line more than this is written by itself. */
const chunkCharacters = 64 * 1024;
const progressEveryMs = 500;

/** Scores the rows of a file, or of stdin for `-`, and writes a line for each: to stdout, or to `--out` when all is well. */
export async function rewardScoreCommand(
  file: string,
  options: RewardScoreOptions,
  terminal: Terminal,
): Promise<number> {
  const source = file === '-' ? 'stdin' : file;
  const scorer = createRowScorer({ ...options, source });
  const lines = readLines(source, {
    onBadLine: (error) => scorer.refuse(error),
    ...(file === '-' ? { input: process.stdin } : {}),
  });
  await using out = options.out === undefined ? stdoutSink() : await openFileSink(options.out);
  await writeLines(out, scorer.scoreLines(lines), () => terminal.status(`${scorer.tally().rows} rows`));
  await out.complete();
  for (const line of summaryOf(scorer.tally(), options.metric, source)) terminal.err(line);
  return exitCodes.ok;
}

async function writeLines(out: LineSink, lines: AsyncIterable<string>, onProgress: () => void): Promise<void> {
  let pending = '';
  let shownAt = 0;
  const flush = async (): Promise<void> => {
    if (pending === '') return;
    const text = pending;
    pending = '';
    await out.write(text);
  };
  try {
    for await (const line of lines) {
      pending += `${line}\n`;
      if (pending.length < chunkCharacters) continue;
      await flush();
      if (performance.now() - shownAt < progressEveryMs) continue;
      shownAt = performance.now();
      onProgress();
    }
  } finally {
    // What was scored before a row that ends it is good.
    await flush();
  }
}

function summaryOf(tally: ScoreTally, metric: string, source: string): string[] {
  const means = [...tally.columns].map(
    ([name, { mean, rows }]) => `${name} ${mean.toFixed(4)}${rows === tally.rows ? '' : ` (${rows} rows)`}`,
  );
  return [
    `${source}: ${tally.rows} rows by ${metric}: ${means.join(', ')}`,
    ...(tally.withoutPrediction === 0
      ? []
      : [
          `${tally.withoutPrediction} without a prediction, scored 0${tally.withoutPrediction === tally.rows ? "; is the field called 'prediction'?" : ''}`,
        ]),
    ...(tally.skipped === 0 ? [] : [`${tally.skipped} skipped; the first: ${tally.firstSkipped ?? ''}`]),
  ];
}
