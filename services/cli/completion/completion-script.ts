import { join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** By its path: a shell that knows `gradus` by an alias has no such program. */
const program = `'${join(repositoryRoot, 'services/cli/bin/gradus').replaceAll("'", String.raw`'\''`)}'`;

/**
 * A script that asks `gradus complete` at each TAB. The answer's first line says whether the others are `words` or `files`, where a folder is
 * gone into; a word may have a description after a tab.
 */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return `_gradus() {
  local IFS=$'\\n' answer
  answer=($(${program} complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  COMPREPLY=("\${answer[@]:1}")
  COMPREPLY=("\${COMPREPLY[@]%%$'\\t'*}")
  if [ "\${answer[0]-}" = files ]; then compopt -o filenames 2>/dev/null; fi
  case "\${COMPREPLY[0]-}" in *[=/]) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _gradus gradus`;
    case 'zsh':
      return `#compdef gradus
_gradus() {
  local -a answer texts
  answer=("\${(@f)$(${program} complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  local kind=\${answer[1]} found
  shift answer
  if [[ $kind == files ]]; then
    for found in $answer; do
      if [[ $found == */ ]]; then compadd -S '' -- $found; else compadd -- $found; fi
    done
  else
    texts=("\${(@)answer//$'\\t'/  -- }")
    compadd -l -d texts -- "\${(@)answer%%$'\\t'*}"
  fi
}
compdef _gradus gradus`;
    case 'fish':
      return `function __gradus_complete
  set -l typed (commandline -opc)[2..]
  ${program} complete -- $typed (commandline -ct) 2>/dev/null | tail -n +2
end
complete -c gradus -f -a '(__gradus_complete)'`;
  }
}
