import type { FileHandle } from 'node:fs/promises';
import { waitPatiently } from '../run/wait-patiently.ts';

export type AppendFile = Pick<FileHandle, 'appendFile' | 'truncate'> & { stat(): Promise<{ readonly size: number }> };

/**
 * Appends a line. A full disk is waited for, and nothing else; `onWait` is called once. A run that is asked to stop waits no
 * longer: the file is made again from the ledger when it goes on.
 */
export async function appendPatiently(
  file: AppendFile,
  line: string,
  onWait: (error: Error) => void,
  signal: AbortSignal,
): Promise<void> {
  let waits = false;
  const onRetry = (error: Error): void => {
    if (!waits) onWait(error);
    waits = true;
  };
  if (signal.aborted) await appendWhole(file, line);
  else await waitPatiently({ totalMs: 0, onRetry }, signal, () => appendWhole(file, line));
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
