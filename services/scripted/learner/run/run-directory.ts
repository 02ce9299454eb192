import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { digestFile, readManifest, type FileDigest, type FileDigests } from '#weights/manifest.ts';

const markName = 'learner.json';
const versionName = /^\d{6,}$/;
const modelFile = /^(?:config\.json|tokenizer\.json|model.*\.safetensors)$/;

const markSchema = z.object({
  format: z.literal('gradus-learner-run-1'),
  runId: z.string(),
  model: z.record(z.string(), z.object({ sizeBytes: z.int(), sha256: z.string() })),
});

/** Digests of the files that a run depends on: configuration, tokenizer, weights. */
export async function modelDigests(modelPath: string): Promise<FileDigests> {
  const names = await readdir(modelPath).catch((cause: unknown) => {
    throw new TerminalError('invalid_argument', `model_path: ${modelPath} cannot be read`, { cause });
  });
  const found: Record<string, FileDigest> = {};
  for (const name of names.filter((each) => modelFile.test(each)))
    found[name] = await digestFile(join(modelPath, name));
  return found;
}

/**
 * Marks a run's directory as the learner does: the run's id, and the model that it began with. Throws
 * TerminalError('failed_precondition') for a directory of another run or of nobody, and for a model that is not `expected`
 * (SHA-256 by name, as the ledger has them; without any, what the mark says).
 */
export async function claimDirectory(
  directory: string,
  runId: string,
  model: FileDigests,
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  const path = join(directory, markName);
  const refuse = (message: string): TerminalError => new TerminalError('failed_precondition', message);
  const text = await textOf(path);
  const found = sha256Of(model);
  if (text === undefined) {
    const taken = (await namesIn(directory)).find((name) => name === 'versions' || name === 'checkpoints');
    if (taken !== undefined)
      throw refuse(
        `${join(directory, taken)} is there, but no ${markName} says that run '${runId}' made it; choose another directory`,
      );
    if (Object.keys(expected).length > 0) checkModel(runId, found, expected);
    await writeMark(directory, runId, model);
    return;
  }
  const mark = markSchema.safeParse(parsed(text));
  if (!mark.success) throw refuse(`${path} does not say whose directory this is; put it back`);
  if (mark.data.runId !== runId)
    throw refuse(`${directory} is of run '${mark.data.runId}', not of '${runId}'; choose another`);
  const before = sha256Of(mark.data.model);
  checkModel(runId, found, Object.keys(expected).length > 0 ? expected : before);
  await writeMark(directory, runId, model);
}

async function writeMark(directory: string, runId: string, model: FileDigests): Promise<void> {
  const path = join(directory, markName);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const mark = { format: 'gradus-learner-run-1', runId, model };
  await writeFile(`${path}.partial`, `${JSON.stringify(mark, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(`${path}.partial`, path);
}

type Sha256s = Readonly<Record<string, string>>;

function sha256Of(files: FileDigests): Sha256s {
  return Object.fromEntries(Object.entries(files).map(([name, { sha256 }]) => [name, sha256]));
}

function checkModel(runId: string, found: Sha256s, expected: Sha256s): void {
  // The ledger also knows files that are not read here.
  const names = new Set([...Object.keys(expected).filter((name) => modelFile.test(name)), ...Object.keys(found)]);
  const said = (digest: string | undefined): string => (digest === undefined ? 'no such file' : `SHA-256 ${digest}`);
  const changed = [...names].filter((name) => expected[name] !== found[name]);
  if (changed.length === 0) return;
  const lines = changed.map((name) => `${name}: expected ${said(expected[name])}, found ${said(found[name])}`);
  throw new TerminalError(
    'failed_precondition',
    `model_path: not the model that run ${runId} began with: ${lines.join('; ')}; put the files back, or begin a new run with the new ones`,
  );
}

/** Removes versions that this run wrote, by their manifests, and nothing else. */
export async function forgetVersions(
  directory: string,
  runId: string,
  isOld: (version: number) => boolean,
): Promise<void> {
  const root = join(directory, 'versions');
  for (const name of (await namesIn(root)).filter((each) => versionName.test(each) && isOld(Number(each)))) {
    const manifest = await readManifest(join(root, name)).catch(() => undefined);
    if (manifest?.kind === 'version' && manifest.runId === runId)
      await rm(join(root, name), { recursive: true, force: true });
  }
}

export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorFrom(error).code === 'not_found') return [];
    throw error;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorFrom(error).code === 'not_found') return undefined;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses it.
    return undefined;
  }
}
