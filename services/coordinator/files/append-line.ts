import type { FileHandle } from 'node:fs/promises';
import { cancelledFrom, errorFrom } from '#platform/errors.ts';
import { callWithRetries } from '../sessions/call-with-retries.ts';

export type AppendFile = Pick<FileHandle, 'appendFile' | 'truncate'> & { stat(): Promise<{ readonly size: number }> };

/**
 * Appends a line. A full disk is waited for, and nothing else; `onWait` is called once. A run that is asked to `stop` waits no
 * longer (`CancelledError`): the file is made again from the ledger when it goes on. Nothing is waited for once `signal` is aborted.
 */
export async function appendLine(
  file: AppendFile,
  line: string,
  onWait: (error: Error) => void,
  { signal, stop }: { readonly signal: AbortSignal; readonly stop: AbortSignal },
): Promise<void> {
  let waits = false;
  const onRetry = (error: Error): void => {
    if (!waits) onWait(error);
    waits = true;
  };
  if (!signal.aborted)
    return await callWithRetries({ totalMs: 0, stop, onRetry }, signal, () => appendWhole(file, line));
  try {
    await appendWhole(file, line);
  } catch (thrown) {
    throw errorFrom(thrown).code === 'resource_exhausted' ? cancelledFrom(signal.reason) : thrown;
  }
}

/** All of the line or none of it: half of one stays behind where the disk is full. */
async function appendWhole(file: AppendFile, line: string): Promise<void> {
  const { size } = await file.stat();
  try {
    await file.appendFile(line);
  } catch (error) {
    await file.truncate(size);
    throw error;
  }
}
