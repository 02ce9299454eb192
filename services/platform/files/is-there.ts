import { stat } from 'node:fs/promises';
import { errorFrom } from '../errors.ts';

/** Whether anything has this path; links are followed. Throws where that cannot be known. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (thrown) {
    if (errorFrom(thrown).code === 'not_found') return false;
    throw thrown;
  }
}
