import { visibleLine } from '#platform/text/visible-text.ts';
import { createColours, shownText, wantsColours, type Colours } from './colours.ts';

/**
 * Where a command writes. Results go to `out`, everything about their making to `err`, so that pipes stay clean.
 *
 * Whatever is written may hold text from outside: answers, pages, messages of other services. It reaches no terminal as
 * control characters, only our own `colours` do; and a line end inside a line begins one that is indented, so no text can
 * pass for a line of ours. Several lines are given as a list.
 */
export interface Terminal {
  out(lines: string | readonly string[]): void;
  err(lines: string | readonly string[]): void;
  /** Rewrites the last line on a terminal; does nothing elsewhere. */
  status(line: string): void;
  readonly interactive: boolean;
  readonly columns: number;
  readonly colours: Colours;
}

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface TerminalStreams {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
}

export function createTerminal({ stdout, stderr, env }: TerminalStreams = process): Terminal {
  const interactive = stderr.isTTY === true;
  let statusShown = false;
  const clear = (): void => {
    if (!statusShown) return;
    stderr.write('\r\u001B[K');
    statusShown = false;
  };
  return {
    out(lines) {
      clear();
      stdout.write(textOf(lines));
    },
    err(lines) {
      clear();
      stderr.write(textOf(lines));
    },
    status(line) {
      if (!interactive) return;
      clear();
      stderr.write(visibleLine(line));
      statusShown = true;
    },
    interactive,
    get columns() {
      // A terminal that does not know its size says 0.
      return stderr.columns !== undefined && stderr.columns > 0 ? stderr.columns : 100;
    },
    colours: createColours(wantsColours(env, stdout.isTTY === true)),
  };
}

/** The first line of each stands as it is, what follows a line end inside it is indented. */
export function textOf(lines: string | readonly string[]): string {
  const all = typeof lines === 'string' ? [lines] : lines;
  return all.map((line) => `${shownText(line).replaceAll('\n', '\n  ')}\n`).join('');
}
