import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { createProgram } from '../program.ts';
import { createTerminal } from '../terminal/terminal.ts';
import { examples } from './examples.ts';
import { commandPaths } from './help.ts';

const written: string[] = [];
const terminal = {
  ...createTerminal(),
  out: (lines: string | readonly string[]) => void written.push(...(typeof lines === 'string' ? [lines] : lines)),
  err: (lines: string | readonly string[]) => void written.push(...(typeof lines === 'string' ? [lines] : lines)),
};
const program = createProgram(terminal, () => {});
const leaves = [...commandPaths(program)].filter(([, { commands }]) => commands.length === 0);

test('every command has an example, and no example is of a command that is not there', () => {
  const visible = leaves.map(([path]) => path).filter((path) => path !== 'complete');
  expect(Object.keys(examples).toSorted()).toEqual(['', ...visible].toSorted());
});

test('every example can be typed', async () => {
  const parsed: string[] = [];
  for (const [path, command] of commandPaths(program)) {
    command.exitOverride();
    if (command.commands.length === 0) command.action(() => void parsed.push(path));
  }
  for (const [path, lines] of Object.entries(examples)) {
    for (const line of lines) {
      if (path === 'completion') continue;
      parsed.length = 0;
      await program.parseAsync(['node', ...line.split(' ')]);
      expect(parsed, line).toEqual([path === '' ? expect.any(String) : path]);
    }
  }
});

test('required options come first and are marked; choices and defaults are said', () => {
  const help = (path: string): string => new Map(commandPaths(program)).get(path)?.helpInformation() ?? '';
  expect(help('index build').split('Options:')[1]?.trimStart()).toMatch(/^--out <dir> +\(required\) /);
  expect(help('index build')).toMatch(/choices:\s+"standard",\s+"english",\s+default:\s+"standard"/);
  for (const [path, command] of leaves) {
    const marks = command.options.map(({ mandatory }) => mandatory);
    expect(help(path).split('(required)').length - 1, path).toBe(marks.filter(Boolean).length);
  }
});

test('the help of a service loads no more than its settings: the service itself is imported when it starts', async () => {
  const mains: string[] = [];
  for await (const path of glob('services/**/main.ts', { cwd: repositoryRoot })) {
    const text = await readFile(join(repositoryRoot, path), 'utf8');
    if (!text.includes('runService(')) continue;
    mains.push(path);
    expect(text, path).not.toMatch(/^import .* from '\.\/service\.ts';$/m);
  }
  expect(mains.length).toBeGreaterThan(5);
});
