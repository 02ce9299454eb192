import { Help, type Command, type Option } from 'commander';
import { examples } from './examples.ts';

/** A command with every command below it, by what is typed after `gradus`. */
export function* commandPaths(command: Command, path = ''): Generator<readonly [string, Command]> {
  yield [path, command];
  for (const each of command.commands) yield* commandPaths(each, `${path} ${each.name()}`.trim());
}

/** Before the commands are added, which inherit it: required options come first and are marked. */
export function markRequired(program: Command): void {
  const plain = new Help();
  program.configureHelp({
    visibleOptions: (command) =>
      plain.visibleOptions(command).toSorted((a, b) => Number(b.mandatory) - Number(a.mandatory)),
    optionDescription: (option: Option) =>
      option.mandatory ? `(required) ${plain.optionDescription(option)}` : plain.optionDescription(option),
  });
}

/** After all commands are there. */
export function addExamples(program: Command): void {
  for (const [path, command] of commandPaths(program)) {
    const lines = examples[path];
    if (lines !== undefined)
      command.addHelpText(
        'after',
        ['', lines.length === 1 ? 'Example:' : 'Examples:', ...lines.map((line) => `  ${line}`)].join('\n'),
      );
  }
}
