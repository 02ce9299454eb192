import { errorFrom } from '#platform/errors.ts';
import type { RunFiles } from '../files/run-files.ts';
import type { FencedWriter } from '#run/ledger/ledger-stream.ts';
import type { RunDependencies } from './start-run.ts';

export interface UnledEnd {
  readonly state: 'failed' | 'stopped';
  readonly message: string;
}

/**
 * Ends a run that nobody drives: in its ledger, and in the summary that `gradus status` shows. The ledger decides: a summary that
 * cannot be written is reported, and the run has ended all the same.
 */
export async function endUnledRun(
  { events, running, log }: RunDependencies,
  writer: FencedWriter,
  files: Pick<RunFiles, 'writeSummary'>,
  value: UnledEnd,
  signal: AbortSignal,
): Promise<void> {
  const { runId } = writer.state;
  await writer.append({ case: 'runEnded', value });
  events.ledgerEntry('runEnded');
  try {
    await files.writeSummary(writer.state, signal);
  } catch (thrown) {
    log.warn(
      { err: errorFrom(thrown), run: runId, ...value },
      'the summary of a run that has ended could not be written',
    );
  }
  await running.remove(runId, signal);
}
