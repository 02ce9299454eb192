import type { Command, Option } from 'commander';
import { expandTilde, suggestFiles } from './suggest-files.ts';
import { valuesOf, type Place } from './values.ts';

export interface Candidates {
  readonly kind: 'words' | 'files';
  /** Each with a description after a tab, where there is one. */
  readonly words: readonly string[];
}

/** Someone waits at a TAB. */
const helpTimeoutMs = 3_000;

/**
 * What can follow: `typed` are the words after `gradus`, the last one as far as it is written. Throws where a service does not show its flags
 * before `signal` aborts.
 */
export async function candidates(
  program: Command,
  typed: readonly string[],
  signal = AbortSignal.timeout(helpTimeoutMs),
): Promise<Candidates> {
  const words = joinEquals(typed);
  const { kind, words: found } = await ofWords(program, words, signal);
  const last = typed.at(-1) ?? '';
  const current = words.at(-1) ?? '';
  // Bash completes what comes after its cut alone.
  const cut = current.slice(0, current.length - (isSign(last) ? 0 : last.length));
  if (cut === '' || current === last) return { kind, words: found };
  const after = found.filter((word) => word.startsWith(cut)).map((word) => word.slice(cut.length));
  return { kind, words: after.filter((word) => word !== '') };
}

async function ofWords(program: Command, words: readonly string[], signal: AbortSignal): Promise<Candidates> {
  const current = words.at(-1) ?? '';
  const { command, path, positionals, open, passed } = walk(program, words.slice(0, -1));
  const place: Place = {
    path,
    positionals,
    passed,
    home: expandTilde(optionValue(words, '--home') ?? 'runs'),
    run: optionValue(words, '--run'),
    signal,
  };
  if (open !== undefined) return await ofOption(open, current, place);
  const [, flag = '', value] = /^(--[a-z0-9-]+)=(.*)$/s.exec(current) ?? [];
  const assigned = command.options.find(({ long }) => long === flag);
  if (assigned !== undefined && value !== undefined) {
    const { kind, words: found } = await ofOption(assigned, value, place);
    return { kind, words: found.map((word) => `${flag}=${word}`) };
  }
  const argument = command.registeredArguments[positionals.length] ?? lastVariadic(command);
  const values = await valuesOf(passed === undefined ? `<${argument?.name() ?? ''}>` : 'passed', current, place);
  const options = command.options.filter(({ long, hidden }) => long !== undefined && long !== null && !hidden);
  const all = [
    ...(positionals.length > 0
      ? []
      : command.commands
          .filter((each) => each.name() !== 'complete')
          .map((each) => `${each.name()}\t${each.description()}`)),
    ...(argument?.argChoices ?? []),
    ...(Array.isArray(values) ? values : []),
    ...(current.startsWith('-') && passed === undefined
      ? [...options.map(({ long, description }) => `${long ?? ''}\t${description}`), '--help\tdisplay help']
      : []),
  ].filter((word) => word.startsWith(current));
  if (all.length === 0 && typeof values === 'string' && !current.startsWith('-'))
    return { kind: 'files', words: await suggestFiles(current, values) };
  return { kind: 'words', words: all };
}

async function ofOption(option: Option, current: string, place: Place): Promise<Candidates> {
  const values = option.argChoices ?? (await valuesOf(option.flags.replace(/^-., /, ''), current, place));
  if (typeof values === 'string') return { kind: 'files', words: await suggestFiles(current, values) };
  return { kind: 'words', words: values.filter((word) => word.startsWith(current)) };
}

interface Walked {
  readonly command: Command;
  /** As `rollout list`. */
  readonly path: string;
  readonly positionals: readonly string[];
  /** An option whose value comes next. */
  readonly open: Option | undefined;
  /** Words that another program reads: those after `serve SERVICE`. */
  readonly passed: readonly string[] | undefined;
}

/** Where the words before the current one lead. */
function walk(program: Command, words: readonly string[]): Walked {
  let command = program;
  let path = '';
  let positionals: string[] = [];
  let open: Option | undefined;
  for (const [index, word] of words.entries()) {
    if (open !== undefined) {
      open = undefined;
      continue;
    }
    const option = command.options.find(({ long, short }) => word === long || word === short);
    const inner = positionals.length === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (inner !== undefined) {
      command = inner;
      path = `${path} ${word}`.trim();
      positionals = [];
    } else if (option !== undefined) open = option.required || option.optional ? option : undefined;
    else if (!word.startsWith('-')) positionals.push(word);
    if (passesOn(path, positionals)) return { command, path, positionals, open, passed: words.slice(index + 1) };
  }
  return { command, path, positionals, open, passed: undefined };
}

const passesOn = (path: string, positionals: readonly string[]): boolean =>
  path === 'mcp' || (path === 'serve' && positionals.length > 0);

const isSign = (word: string | undefined): boolean => /^=+$/.test(word ?? '');

/** Bash cuts `--home=x` and `seed=7` into three words. */
function joinEquals(typed: readonly string[]): string[] {
  const joined: string[] = [];
  for (const [index, word] of typed.entries()) {
    if (joined.length > 0 && (isSign(word) || isSign(typed[index - 1]))) joined.push(`${joined.pop() ?? ''}${word}`);
    else joined.push(word);
  }
  return joined;
}

function optionValue(words: readonly string[], flag: string): string | undefined {
  const at = words.lastIndexOf(flag);
  const assigned = words.findLast((word) => word.startsWith(`${flag}=`));
  return at >= 0 && at + 2 < words.length ? words[at + 1] : assigned?.slice(flag.length + 1);
}

function lastVariadic(command: Command): Command['registeredArguments'][number] | undefined {
  const last = command.registeredArguments.at(-1);
  return last?.variadic === true ? last : undefined;
}
