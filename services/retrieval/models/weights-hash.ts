import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { externalDataFiles, isFile, type ModelFiles } from './model-files.ts';

/** SHA-256, lower-case hex, of the weights file followed by those that hold its external data. */
export async function hashWeights(files: ModelFiles, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const path of [files.weightsPath, ...externalDataFiles(files.weightsPath)]) {
    if (!(await isFile(path))) continue;
    const stream = createReadStream(path, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) });
    for await (const chunk of stream) hash.update(chunk);
  }
  return hash.digest('hex');
}
