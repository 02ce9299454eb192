import pc from 'picocolors';

/** Where a command writes. Results go to `out`, everything about their making to `err`, so that pipes stay clean. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Rewrites the last line on a terminal; does nothing elsewhere. */
  status(line: string): void;
  readonly interactive: boolean;
  readonly columns: number;
  readonly colours: ReturnType<typeof pc.createColors>;
}

export function createTerminal(): Terminal {
  const interactive = process.stderr.isTTY;
  let statusShown = false;
  const clear = (): void => {
    if (!statusShown) return;
    process.stderr.write('\r\u001B[K');
    statusShown = false;
  };
  return {
    out(line) {
      clear();
      process.stdout.write(`${line}\n`);
    },
    err(line) {
      clear();
      process.stderr.write(`${line}\n`);
    },
    status(line) {
      if (!interactive) return;
      clear();
      process.stderr.write(line);
      statusShown = true;
    },
    interactive,
    get columns() {
      // A terminal that does not know its size says 0.
      return process.stderr.columns > 0 ? process.stderr.columns : 100;
    },
    // By where results go: a file or a pipe gets plain text, also where CI would like colours.
    colours: pc.createColors(pc.isColorSupported && (process.stdout.isTTY || process.env['FORCE_COLOR'] !== undefined)),
  };
}
