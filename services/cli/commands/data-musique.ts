import { resolve } from 'node:path';
import { readMusique } from '#questions/musique/read-musique.ts';
import { selectJanNano } from '#questions/musique/select-jan-nano.ts';
import { countByHops, writeMusiqueSplit } from '#questions/musique/write-split.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface DataMusiqueOptions {
  readonly selection: 'all' | 'jan_nano';
  readonly heldOut: number;
  readonly corpus?: string;
  readonly out?: string;
  readonly json: boolean;
}

/** Checks a MuSiQue file line by line and counts it; with --out writes the split that a run would train on. */
export async function dataMusiqueCommand(
  file: string,
  options: DataMusiqueOptions,
  terminal: Terminal,
): Promise<number> {
  if (options.out === undefined) {
    const rows: { readonly id: string }[] = [];
    for await (const { id } of readMusique(resolve(file))) rows.push({ id });
    const selected = options.selection === 'jan_nano' ? selectJanNano(rows) : rows;
    const counted = { file, rows: rows.length, selected: selected.length, byHops: countByHops(selected) };
    terminal.out(
      options.json
        ? jsonLine(counted)
        : `${file}: ${rows.length} questions, ${selected.length} selected (${formatHops(counted.byHops)})`,
    );
    return exitCodes.ok;
  }
  const { info, ...paths } = await writeMusiqueSplit(
    {
      questions: resolve(file),
      held_out: options.heldOut,
      selection: options.selection,
      ...(options.corpus !== undefined && { corpus: resolve(options.corpus) }),
    },
    options.out,
  );
  terminal.out(
    options.json
      ? jsonLine({ ...paths, ...info })
      : `${info.train} training questions (${formatHops(info.trainByHops)}), ${info.heldOut} held out (${formatHops(info.heldOutByHops)}) in ${options.out}; corpus ${paths.corpus}`,
  );
  return exitCodes.ok;
}

function formatHops(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([hops, count]) => `${hops} hops: ${count}`)
    .join(', ');
}
