import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { checkWeights, digestFile } from '#weights/manifest.ts';
import type { Artefact, ArtefactRow } from '#stages/kit/artefacts.ts';
import { artefactKey } from '#run/ledger/run-state.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { exportPolicy } from '../sessions/replace-policy.ts';
import type { RunContext } from '../run-context.ts';

/** Those that lie in files. */
export type FileArtefact = Exclude<Artefact, 'rollouts'>;

const names = { weights: 'weights', rows: 'rows.jsonl' } as const;

/** Where a stage leaves it: `stages/STAGE` in the run's directory. */
export function artefactPath(directory: string, stage: string, artefact: FileArtefact): string {
  return join(directory, 'stages', stage, names[artefact]);
}

/** Keeps the policy as it is under the name of a stage. */
export async function leaveWeights(context: RunContext, stage: string): Promise<void> {
  const path = artefactPath(context.directory, stage, 'weights');
  await exportPolicy(context, path);
  await leave(context, stage, 'weights', await digestOf(path, 'weights'));
}

export async function leaveRows(context: RunContext, stage: string, rows: readonly ArtefactRow[]): Promise<void> {
  const path = artefactPath(context.directory, stage, 'rows');
  await context.confirmLead();
  await context.writeFolder(context.signal, async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeAtomically(path, linesOf(rows));
  });
  await leave(context, stage, 'rows', await digestOf(path, 'rows'));
}

/** Its path. Throws TerminalError where the stage left none, or it is not what it left. */
export async function takeArtefact(
  { directory, ledger }: Pick<RunContext, 'directory' | 'ledger'>,
  stage: string,
  artefact: FileArtefact,
): Promise<string> {
  const path = artefactPath(directory, stage, artefact);
  const left = ledger.state.artefacts.get(artefactKey(stage, artefact));
  if (left === undefined)
    throw new TerminalError('failed_precondition', `stage ${stage} left no ${artefact} in this run`);
  const found = await digestOf(path, artefact);
  if (found !== left)
    throw new TerminalError(
      'data_loss',
      `${path}: stage ${stage} left it with digest ${left}, found ${found}; put back what was there, or begin a new run`,
    );
  return path;
}

async function leave(context: RunContext, stage: string, artefact: FileArtefact, digest: string): Promise<void> {
  await context.ledger.append({ case: 'artefactLeft', value: { stage, artefact, digest } });
}

async function digestOf(path: string, artefact: FileArtefact): Promise<string> {
  return artefact === 'weights' ? await checkWeights(path, '') : (await digestFile(path)).sha256;
}

function* linesOf(rows: readonly ArtefactRow[]): Generator<string, void, undefined> {
  for (const { id, data, gold, tags } of rows) yield `${JSON.stringify({ id, data, gold, tags })}\n`;
}
