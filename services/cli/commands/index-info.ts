import { resolve } from 'node:path';
import { exitCodes } from '../exit-codes.ts';
import { formatIndex, indexDescriptionSchema } from '../index/index-description.ts';
import { runIndexTask } from '../index/run-index-task.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface IndexInfoOptions {
  readonly verify: boolean;
  readonly json: boolean;
}

/** Shows what an index is of; with `verify` every byte of it is compared with its checksum. */
export async function indexInfoCommand(
  directory: string,
  { verify, json }: IndexInfoOptions,
  terminal: Terminal,
): Promise<number> {
  const task = { task: 'info', directory: resolve(directory), verify };
  const index = await runIndexTask(task, indexDescriptionSchema);
  terminal.out(json ? jsonLine(index) : formatIndex(index));
  if (verify && !json) terminal.out('every file has the size and the checksum that the manifest says');
  return exitCodes.ok;
}
