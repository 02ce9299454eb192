import { join } from 'node:path';

/** Where `gradus eval --out OUT` keeps its run. */
export function evaluationRun(out: string): {
  readonly runId: string;
  readonly home: string;
  readonly directory: string;
} {
  const home = join(out, 'runs');
  const runId = 'eval';
  return { runId, home, directory: join(home, runId) };
}
