/** Commands that the documents show exist, with their options; what they do is tested where the pages are. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../services/cli/program.ts';
import { createTerminal } from '../../services/cli/terminal/terminal.ts';

const root = join(import.meta.dirname, '../..');
const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('{docs,recipes,services}/**/*.md', { cwd: root })];
const program = createProgram(createTerminal(), () => {});

/** Commands in code blocks and in backticks, a command to a line. */
function commandsOf(text: string): string[] {
  const inBlocks = [...text.matchAll(/^(?: {4}|\s*)(?:[A-Z_]+=\S+ )?(gradus [a-z].*)$/gm)];
  const inline = [...text.matchAll(/`(gradus [a-z][^`]*)`/g)];
  return [...inBlocks, ...inline].map(([, command = '']) => command.replace(/\s+#.*$/, ''));
}

/** What is wrong with a command, or undefined. What follows `serve SERVICE` and `mcp` are settings of services. */
function problemOf(line: string): string | undefined {
  const words = line.split(/\s+/).slice(1);
  let command: Command = program;
  while (words.length > 0) {
    const next = command.commands.find((each) => each.name() === words[0]);
    if (next === undefined) break;
    command = next;
    words.shift();
  }
  if (command.commands.length > 0 && words[0]?.startsWith('-') === false) return `there is no command ${words[0]}`;
  if (['serve', 'mcp'].includes(command.name())) return undefined;
  const flags = words
    .filter((word) => /^--[a-z]/.test(word))
    .map((word) => word.split('=')[0]?.replace(/[.,;:…)\]]+$/, ''));
  const known = new Set(['--help', ...command.options.map(({ long }) => long)]);
  const unknown = flags.filter((flag) => flag !== undefined && !known.has(flag));
  return unknown.length === 0 ? undefined : `${command.name()} has no ${unknown.join(', ')}`;
}

test('every command of the documents exists, and has the options that it is shown with', () => {
  const wrong = pages.flatMap((page) =>
    commandsOf(readFileSync(join(root, page), 'utf8')).flatMap((command) => {
      const problem = problemOf(command);
      return problem === undefined ? [] : [`${page}: ${command}: ${problem}`];
    }),
  );
  expect(wrong).toEqual([]);
});

test('a command or an option that does not exist is found', () => {
  expect(commandsOf('see `gradus rnu x` and\n\n    gradus run a.yaml --detached  # on\n').map(problemOf)).toEqual([
    'run has no --detached',
    'there is no command rnu',
  ]);
});
