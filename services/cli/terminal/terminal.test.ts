import { describe, expect, test } from 'vitest';
import { wantsColours } from './colours.ts';
import { tableLines } from './format.ts';
import { createTerminal } from './terminal.ts';

/** What a page of a corpus, an answer or a judge may hold. */
const hostile = '\u001b]52;c;cm0gLXJm\u0007\u001b[2J\u001b[31mred\u009b1A\r+ forged\u202egnp';

function startTerminal(env: NodeJS.ProcessEnv = {}, isTTY = true) {
  const written = { out: '', err: '' };
  const terminal = createTerminal({
    stdout: { isTTY, write: (text) => void (written.out += text) },
    stderr: { isTTY, columns: 80, write: (text) => void (written.err += text) },
    env,
  });
  return { terminal, written };
}

const acted = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

describe('a terminal', () => {
  test.each([true, false])('is given no control character of a text, terminal or not (%s)', (isTTY) => {
    const { terminal, written } = startTerminal({}, isTTY);
    terminal.out(hostile);
    terminal.err([hostile, hostile]);
    expect(written.out).not.toMatch(acted);
    expect(written.err).not.toMatch(acted);
    expect(written.out).toContain(String.raw`\u001b]52;c;cm0gLXJm\u0007`);
    expect(written.out).toContain(String.raw`\r+ forged\u202e`);
  });

  test('is given our own colours, and none that a text brings, also inside ours', () => {
    const { terminal, written } = startTerminal();
    const { bold, green } = terminal.colours;
    terminal.out([`${green('+ ok')} \u001b[31mred`, bold(`x ${green(hostile)} y`)]);
    expect(written.out).toContain('\u001b[32m+ ok\u001b[39m \\u001b[31mred\n');
    expect(written.out.replaceAll(/\u001b\[(?:1|22|32|39)m/g, '')).not.toMatch(acted);
  });

  test('does not take a sequence for ours that was seen in an earlier output', () => {
    const { terminal, written } = startTerminal();
    terminal.out(terminal.colours.green('a'));
    const seen = written.out;
    terminal.out(seen);
    expect(written.out.slice(seen.length)).toBe('\\u001b[32ma\\u001b[39m\n  \n');
  });

  test('indents what follows a line end inside a line, so that no text passes for a line of ours', () => {
    const { terminal, written } = startTerminal();
    terminal.out('run x failed: no\n+ forged\nrun y finished');
    terminal.out(['a', 'b']);
    expect(written.out).toBe('run x failed: no\n  + forged\n  run y finished\na\nb\n');
  });

  test('shows a status on one line whatever is in it', () => {
    const { terminal, written } = startTerminal();
    terminal.status(`waits for ${hostile}\nmore`);
    expect(written.err).not.toMatch(/[\r\n\u001b]/);
    terminal.out('done');
    expect(written.err).toMatch(/\r\u001b\[K$/);
  });

  test('keeps JSON the same JSON', () => {
    const { terminal, written } = startTerminal({}, false);
    terminal.out(JSON.stringify({ hostile }));
    expect(JSON.parse(written.out)).toEqual({ hostile });
    expect(written.out).not.toMatch(acted);
  });
});

describe('a table', () => {
  const width = (line: string) => line.replaceAll(/\u001b\[[\d;]*m/g, '').length;

  test('shows hostile cells as escapes and keeps its columns', () => {
    const { terminal, written } = startTerminal();
    terminal.out(
      tableLines(
        [
          ['1', terminal.colours.green('ok')],
          ['2', hostile],
        ],
        { head: ['n', 'text'] },
      ),
    );
    expect(written.out.replaceAll(/\u001b\[(?:32|39)m/g, '')).not.toMatch(acted);
    const lines = written.out.trimEnd().split('\n');
    expect(new Set(lines.map(width)).size).toBe(1);
  });

  test('keeps a line end inside its cell', () => {
    const lines = tableLines([['a\n+ forged', 'b']]);
    expect(lines.every((line) => /^[│┌├└]/.test(line))).toBe(true);
  });
});

test.each<[NodeJS.ProcessEnv, boolean, boolean]>([
  [{}, true, true],
  [{}, false, false],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
  [{ FORCE_COLOR: 'false' }, true, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ CI: 'true' }, false, false],
  [{ TERM: 'dumb' }, true, false],
])('with %j and a terminal: %s, results have colours: %s', (env, isTerminal, colours) => {
  expect(wantsColours(env, isTerminal)).toBe(colours);
});
