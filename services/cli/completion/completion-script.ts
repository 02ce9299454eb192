import type { Command } from 'commander';
import { serviceNames } from '#fleet/service-programs.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** What can follow a command path such as `rollout show`. */
export interface CompletionNode {
  readonly path: string;
  readonly words: readonly CompletionWord[];
  /** Words that files complete best, because an argument names one. */
  readonly takesFiles: boolean;
}

export interface CompletionWord {
  readonly word: string;
  readonly description: string;
}

/** Every command path with its subcommands, options and fixed arguments. Derived from the program, so it cannot lag behind. */
function completionNodes(program: Command): CompletionNode[] {
  const nodes: CompletionNode[] = [];
  const visit = (command: Command, path: string): void => {
    const subcommands = command.commands.map((each) => ({ word: each.name(), description: each.description() }));
    const options = command.options.flatMap((option) =>
      option.long === undefined || option.long === null ? [] : [{ word: option.long, description: option.description }],
    );
    const choices = command.registeredArguments.flatMap((argument) =>
      argument.argChoices !== undefined
        ? argument.argChoices.map((word) => ({ word, description: argument.description }))
        : [],
    );
    const services = path === 'serve' ? serviceNames.map((word) => ({ word, description: 'service' })) : [];
    nodes.push({
      path,
      words: [...subcommands, ...choices, ...services, ...options],
      takesFiles: command.registeredArguments.some((argument) => /^(recipe|file|dir)$/.test(argument.name())),
    });
    for (const each of command.commands) visit(each, path === '' ? each.name() : `${path} ${each.name()}`);
  };
  visit(program, '');
  return nodes;
}

export function completionScript(program: Command, shell: Shell): string {
  const nodes = completionNodes(program);
  switch (shell) {
    case 'bash':
      return bashScript(nodes);
    case 'zsh':
      // zsh runs bash completions; one script to keep right.
      return `#compdef gradus\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(nodes)}`;
    case 'fish':
      return fishScript(nodes);
  }
}

function bashScript(nodes: readonly CompletionNode[]): string {
  const cases = nodes.map(({ path, words, takesFiles }) => {
    const list = words.map(({ word }) => word).join(' ');
    return `    '${path}') words='${list}'; files=${takesFiles ? 1 : 0} ;;`;
  });
  return `_gradus() {
  local word path='' words='' files=0 index candidate
  for ((index = 1; index < COMP_CWORD; index++)); do
    candidate="\${path:+$path }\${COMP_WORDS[index]}"
    case $candidate in
      ${nodes.flatMap(({ path }) => (path === '' ? [] : [`'${path}'`])).join('|')}) path=$candidate ;;
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  word=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ "$files" = 1 ] && [ "\${word#-}" = "$word" ]; then COMPREPLY+=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _gradus gradus`;
}

function fishScript(nodes: readonly CompletionNode[]): string {
  const lines = ['complete -c gradus -f'];
  for (const { path, words, takesFiles } of nodes) {
    const [last] = path.split(' ').slice(-1);
    const condition = path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${last ?? ''}`;
    for (const { word, description } of words) {
      const text = description.replaceAll("'", "\\'");
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
      lines.push(`complete -c gradus -n '${condition}' ${what} -d '${text}'`);
    }
    if (takesFiles) lines.push(`complete -c gradus -n '${condition}' -F`);
  }
  return lines.join('\n');
}
