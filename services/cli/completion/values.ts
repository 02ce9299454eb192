import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseServiceName, programOf, type Program } from '#fleet/service-programs.ts';
import { serviceNames } from '#fleet/service-programs.ts';
import { changeGroups } from '#recipe/inputs/changed-inputs.ts';
import { rowMetricNames } from '#answer/rows/metric-help.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { failureWords } from '../rollouts/selection-options.ts';
import { readListedRollouts } from '../rollouts/listed-rollouts.ts';
import { mcpProgram } from '../commands/run-in-place.ts';
import { recipePaths } from './recipe-paths.ts';
import { expandTilde, type FileKind } from './suggest-files.ts';

/** What has been typed before. */
export interface Place {
  readonly path: string;
  readonly positionals: readonly string[];
  /** Flags for another program so far. */
  readonly passed: readonly string[] | undefined;
  readonly home: string;
  readonly run: string | undefined;
  /** Ends a help that takes too long. */
  readonly signal: AbortSignal;
}

type Values = readonly string[] | FileKind;

/** By an argument, or by an option with what it takes. */
const known: Readonly<Record<string, (current: string, place: Place) => Values | Promise<Values>>> = {
  '<run>': (_current, { home }) => runIds(home),
  '--run <id>': (_current, { home }) => runIds(home),
  '<task-id>': (_current, { home }) => readListedRollouts(resolve(home)),
  '--compare <task-id>': (_current, { home }) => readListedRollouts(resolve(home)),
  '--stage <name>': (_current, { home, run }) => stageNames(home, run),
  '--failure <class>': () => failureWords,
  '--detector <name>': () => detectorNames,
  '--metric <name>': () => rowMetricNames,
  '--accept-changed <names>': (current) => lists(changeGroups, current),
  '--set <path=value>': (_current, { positionals: [recipe] }) => recipePaths(recipe && expandTilde(recipe)),
  '<service>': () => serviceNames,
  passed: (current, place) => passedFlags(current, place),
  '<recipe>': () => 'recipe',
  '--recipe <file>': () => 'recipe',
};

export async function valuesOf(taker: string, current: string, place: Place): Promise<Values> {
  const give = known[taker];
  if (give !== undefined) return await give(current, place);
  if (/<(dir|path)>$/.test(taker)) return 'folder';
  return /<(file|corpus)>$/.test(taker) ? 'file' : [];
}

async function runIds(home: string): Promise<readonly string[]> {
  // A TAB should not wait for what reads recipes, unless it asks for runs.
  const { runsIn } = await import('#run/directory/places.ts');
  return (await runsIn(resolve(home))).ids;
}

async function stageNames(home: string, run: string | undefined): Promise<readonly string[]> {
  const runs = run === undefined ? await runIds(home) : [run];
  const names = await Promise.all(runs.slice(-mostRecipes).map((id) => stagesOf(join(home, id))));
  return [...new Set(names.flat())];
}

const mostRecipes = 20;

async function stagesOf(directory: string): Promise<string[]> {
  try {
    const written: unknown = JSON.parse(await readFile(join(directory, 'recipe.json'), 'utf8'));
    const { recipe } = Object(written) as {
      readonly recipe?: { readonly stages?: readonly { readonly name?: unknown }[] };
    };
    return (recipe?.stages ?? []).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
  } catch {
    // A run that cannot be read has no stages to offer; `gradus status` says what is wrong with it.
    return [];
  }
}

/** `data,sc` may become `data,scorers`. */
function lists(words: readonly string[], current: string): string[] {
  const before = current.slice(0, current.lastIndexOf(',') + 1);
  return words.filter((word) => !before.split(',').includes(word)).map((word) => before + word);
}

/** Flags of the program that they are passed to, or the values of one, as its help has them. */
async function passedFlags(current: string, { path, positionals, passed = [], signal }: Place): Promise<Values> {
  const { engineService, serverFlags } = await import('../commands/serve-engine.ts');
  const named = path === 'mcp' ? undefined : parseServiceName(positionals[0] ?? '');
  const service = named === 'engine' ? engineService(passed).service : named;
  const program = service === undefined ? mcpProgram() : programOf(service);
  const flags = await flagsOf(program, signal);
  const type = flags.get(passed.at(-1) ?? '');
  if (type !== undefined && type !== '' && !current.startsWith('-')) {
    return /^<[^|]+>$/.test(type) ? 'file' : type.slice(1, -1).split('|');
  }
  return [...(service === 'engine' ? serverFlags : []), ...flags.keys()];
}

/** What each flag takes, from lines as `  --log-level <info|warn>  Least severe…`. */
async function flagsOf({ command, args, env }: Program, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await promisify(execFile)(command, [...args, '--help'], {
    env: { ...process.env, ...env },
    signal,
  });
  const lines = stdout.matchAll(/^ {2}(--[a-z0-9-]+)(?: (<[^>]+>))?(?: {2}|$)/gm);
  return new Map([...lines].map(([, flag = '', type = '']) => [flag, type]));
}
