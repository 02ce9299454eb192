import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { openFileSink } from '../answer-rows/line-sink.ts';
import { writeWholeDirectory } from '#questions/prepared-directory.ts';
import { exitCodes } from '../exit-codes.ts';
import { atifOf } from '../rollouts/atif.ts';
import { readSelected, type ReadRollout } from '../rollouts/read-selected.ts';
import { exportedJson } from '../rollouts/rollout-json.ts';
import { selectedBy, type SelectionOptions } from '../rollouts/selection-options.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { withStreams } from '../transcript/with-streams.ts';
import { plural } from '../terminal/format.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface RolloutExportOptions extends SelectionOptions {
  readonly format: 'jsonl' | 'atif';
  readonly out: string;
}

/** Writes rollouts for other tools: a file of JSON lines, or a folder with a file of ATIF for each. It is whole or not there. */
export async function rolloutExportCommand(options: RolloutExportOptions, terminal: Terminal): Promise<number> {
  const signal = AbortSignal.timeout(3_600_000);
  const out = resolve(options.out);
  const note = (line: string): void => terminal.err(line);
  await withStreams(resolve(options.home), { command: 'gradus rollout export', note }, signal, async (nats) => {
    const rollouts = readSelected(nats, selectedBy(options), note, signal);
    await mkdir(dirname(out), { recursive: true });
    const { written, without } = await (options.format === 'atif' ? writeAtif : writeLines)(rollouts, out);
    if (written === 0) throw new TerminalError('not_found', 'no rollout is like that; nothing was written');
    if (without > 0)
      note(
        `${plural(without, 'rollout')} without a trajectory: ${options.format === 'atif' ? 'left out' : 'segments are null'}`,
      );
    note(`${plural(written, 'rollout')} in ${out}`);
  });
  return exitCodes.ok;
}

interface Written {
  readonly written: number;
  readonly without: number;
}

async function writeLines(rollouts: AsyncIterable<ReadRollout>, file: string): Promise<Written> {
  await using sink = await openFileSink(file);
  let written = 0;
  let without = 0;
  for await (const rollout of rollouts) {
    if (rollout.recorded === undefined) without += 1;
    await sink.write(`${jsonLine(exportedJson(rollout))}\n`);
    written += 1;
  }
  if (written > 0) await sink.complete();
  return { written, without };
}

async function writeAtif(rollouts: AsyncIterable<ReadRollout>, folder: string): Promise<Written> {
  const { version } = createRequire(import.meta.url)(join(repositoryRoot, 'package.json')) as {
    readonly version: string;
  };
  let written = 0;
  let without = 0;
  const named = new Set<string>();
  await writeWholeDirectory(folder, async (staging) => {
    for await (const rollout of rollouts) {
      const trajectory = atifOf(rollout, version);
      if (trajectory === undefined) {
        without += 1;
        continue;
      }
      const { taskId, trajectorySequence } = rollout.result;
      // Attempts at one task are rollouts of their own.
      const name = named.has(taskId) ? `${taskId}-${trajectorySequence}` : taskId;
      named.add(taskId);
      await writeFile(join(staging, `${name}.json`), `${JSON.stringify(trajectory, undefined, 2)}\n`);
      written += 1;
    }
    if (written === 0) throw new TerminalError('not_found', 'no rollout is like that; nothing was written');
  });
  return { written, without };
}
