import { formatDuration } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { IndexProgress } from './run-index-task.ts';

/** Time between two lines of progress where there is no terminal that shows one. */
const logEveryMs = 10_000;

const count = (value: number): string => Math.round(value).toLocaleString('en-US');
const percent = (part: number, whole: number): string =>
  whole === 0 ? '' : ` (${Math.round((100 * part) / whole)} %)`;
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Shows how far a build is, on stderr. `corpusBytes`: of the corpus that is read, 0 where that is not known. */
export function showProgress(corpusBytes: number, terminal: Terminal): (progress: IndexProgress) => void {
  const started = performance.now();
  let logged = started;
  return (progress) => {
    const line = describe(progress, corpusBytes, performance.now() - started);
    if (terminal.interactive) return terminal.status(line);
    if (performance.now() - logged < logEveryMs) return;
    logged = performance.now();
    terminal.err(line);
  };
}

function describe(progress: IndexProgress, corpusBytes: number, elapsedMs: number): string {
  switch (progress.phase) {
    case 'reading': {
      const { pages, bytes } = progress;
      return `reading: ${count(pages)} pages${percent(bytes, corpusBytes)}, ${count((1000 * pages) / elapsedMs)}/s`;
    }
    case 'merging':
      return `merging: ${count(progress.terms)} terms`;
    case 'downloading': {
      const { file, doneBytes, totalBytes } = progress;
      return `downloading: ${megabytes(doneBytes)} of ${megabytes(totalBytes)}${percent(doneBytes, totalBytes)}, ${file}`;
    }
    case 'encoding': {
      const { passages, totalPassages, passagesPerSecond, remainingMs } = progress;
      const share = `${count(passages)} of ${count(totalPassages)} passages${percent(passages, totalPassages)}`;
      return `encoding: ${share}, ${passagesPerSecond.toFixed(1)}/s, ${formatDuration(remainingMs)} left`;
    }
    case 'linking':
    case 'publishing': {
      const { phase, passages, totalPassages } = progress;
      return `${phase}: ${count(passages)} of ${count(totalPassages)} passages${percent(passages, totalPassages)}`;
    }
  }
}
