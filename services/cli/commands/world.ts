import { writeWorld } from '#environments/search/world/write-world.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface WorldCommandOptions {
  readonly seed: number;
  readonly train: number;
  readonly heldOut: number;
  readonly out: string;
  readonly json: boolean;
}

export async function worldCommand(options: WorldCommandOptions, terminal: Terminal): Promise<number> {
  const { seed, train, heldOut } = options;
  const written = await writeWorld({ seed, train, heldOut }, options.out);
  terminal.out(
    options.json
      ? jsonLine(written)
      : `${written.pages} pages, ${train} training and ${heldOut} held-out questions in ${options.out}`,
  );
  return exitCodes.ok;
}
