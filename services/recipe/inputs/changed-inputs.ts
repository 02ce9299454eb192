import { TerminalError } from '#platform/errors.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import type { RecordedInput } from '../resolve-recipe.ts';
import type { FoundInput } from './survey-inputs.ts';

/** What a person can accept, and what follows from it. One spelling: in flags, requests, messages and the ledger. */
const consequences = {
  data: 'steps to come draw their questions from other rows, so their tasks are others than the same run would have had',
  corpus: 'searches of rollouts to come find other pages',
  search_models: 'searches of rollouts to come rank passages otherwise',
  stages: 'stages to come learn from other rows or weights',
  model: 'the policy that the run begins from, its tokenizer or its template is another one',
  environment: 'rollouts to come are played otherwise than those so far',
  scorers: 'rollouts to come may be rewarded otherwise than those so far',
  recipe: 'the run goes on with the edited recipe; its tasks stay what they are',
} as const;

export type ChangeGroup = keyof typeof consequences;
export const changeGroups = Object.keys(consequences).filter((name): name is ChangeGroup => name in consequences);

/** A file that is not what it was; `recorded` is absent where it is new, `found` where it is gone. */
export interface InputChange {
  readonly group: ChangeGroup;
  readonly name: string;
  /** Where it lies, or lay. */
  readonly path: string;
  readonly recorded?: Content;
  readonly found?: Content & { readonly modifiedAtMs?: number };
  /** What differs, in words, where that can be said. */
  readonly detail?: string;
}

interface Content {
  readonly digest: string;
  readonly bytes: number;
}

/** Compares by name, so that files which were moved and are the same have not changed. */
export function changedInputs(recorded: readonly RecordedInput[], found: readonly FoundInput[]): InputChange[] {
  const before = new Map(recorded.map((input) => [input.name, input]));
  const now = new Map(found.map((input) => [input.name, input]));
  return [...new Set([...before.keys(), ...now.keys()])].flatMap((name): InputChange[] => {
    const [was, is] = [before.get(name), now.get(name)];
    if (was?.digest === is?.digest) return [];
    return [
      {
        group: groupOf(name),
        name,
        path: is?.path ?? was?.path ?? '',
        ...(was !== undefined && { recorded: was }),
        ...(is !== undefined && { found: is }),
      },
    ];
  });
}

function groupOf(name: string): ChangeGroup {
  const first = name.split('/')[0];
  return changeGroups.find((group) => group === first) ?? 'data';
}

/** The names that a person accepts; throws with the one that is none. */
export function parseChangeGroups(names: readonly string[]): ChangeGroup[] {
  return names.map((name) => {
    const known = changeGroups.find((group) => group === name);
    if (known !== undefined) return known;
    const meant = suggest(name, changeGroups);
    const help = meant === undefined ? `known: ${changeGroups.join(', ')}` : `did you mean ${meant}?`;
    throw new TerminalError('invalid_argument', `accept_changed: '${name}' is nothing that can be accepted; ${help}`);
  });
}

const mostNamed = 20;

/** What of the changes nobody accepted, as an error; undefined when there is nothing. */
export function refusalOf(
  runId: string,
  changes: readonly InputChange[],
  accepted: readonly string[],
  recordedAtMs: number,
): TerminalError | undefined {
  const refused = changes.filter(({ group }) => !accepted.includes(group));
  if (refused.length === 0) return undefined;
  const groups = changeGroups.filter((group) => refused.some((change) => change.group === group));
  const words = changeGroups.filter((group) => groups.includes(group) || accepted.includes(group));
  const since = recordedAtMs === 0 ? '' : ` at ${timeOf(recordedAtMs)}`;
  const lines = [
    `run ${runId} stands on what has changed since it was recorded${since}:`,
    ...refused.slice(0, mostNamed).map((change) => `  ${describeChange(change)}`),
    ...(refused.length > mostNamed ? [`  and ${refused.length - mostNamed} more`] : []),
    ...groups.map((group) => `what follows from other ${group}: ${consequences[group]}`),
    ...(groups.includes('recipe') ? [`restore the recorded recipe: gradus resume ${runId} --restore-recipe`] : []),
    `put it back as it was, or accept it: gradus resume ${runId} --accept-changed ${words.join(',')}`,
  ];
  return new TerminalError('failed_precondition', lines.join('\n'), {
    details: { runId, changed: refused.map(({ name }) => name) },
  });
}

/** `train: /data/train.jsonl: was 1f2e3d4c5b6a (1204 bytes), is … (700 bytes, modified …)`. */
export function describeChange({ name, path, recorded, found, detail }: InputChange): string {
  const was = recorded === undefined ? 'was not there' : `was ${contentOf(recorded)})`;
  const modified = found?.modifiedAtMs === undefined ? '' : `, modified ${timeOf(found.modifiedAtMs)}`;
  const is = found === undefined ? 'is gone' : `is ${contentOf(found)}${modified})`;
  return `${name}: ${path}: ${was}, ${is}${detail === undefined ? '' : `: ${detail}`}`;
}

function contentOf({ digest, bytes }: Content): string {
  return `${digest.slice(0, 12)} (${bytes} bytes`;
}

function timeOf(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
