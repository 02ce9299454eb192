import { createHash } from 'node:crypto';
import { access, readFile, readdir, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { OpenRunRequest } from '#proto/learner/v1/learner_pb.ts';
import { TerminalError, errorFrom } from '#shared/errors.ts';
import { newestCheckpoint, writeCheckpoint } from './checkpoints.ts';
import type { TrainedSample } from './read-sample.ts';
import { chainStep, initialChain, safetensorsOf } from './weights.ts';
import { writeDirectory } from './write-directory.ts';

/** What a step answered, so that it can answer again. */
export interface StepRecord {
  readonly step: number;
  readonly chain: string;
  readonly metrics: Readonly<Record<string, number>>;
  weightsPath: string;
  checkpointPath: string;
}

const keptVersions = 3;
const keptRecords = 8;

/**
 * A run as a learner has it open:
 *
 *     sent -> applied (chain and step in memory) -> written (version, checkpoint when asked) -> answered
 *
 * A process that dies resumes from its newest checkpoint; the coordinator sends the steps since then again, and they give
 * the same weights.
 */
export async function openLearnerRun(request: OpenRunRequest) {
  const { runId, directory, modelPath, resume } = request;
  if (runId === '') throw new TerminalError('invalid_argument', 'run_id is empty');
  for (const [field, path] of [
    ['directory', directory],
    ['model_path', modelPath],
  ] as const) {
    if (!isAbsolute(path))
      throw new TerminalError('invalid_argument', `${field} is '${path}'; it must be an absolute path`);
  }
  const root = join(directory, 'checkpoints');
  const checkpoint = await newestCheckpoint(root);
  if (checkpoint !== undefined && !resume) {
    throw new TerminalError(
      'failed_precondition',
      `${directory} already has checkpoint ${checkpoint.directory}; set resume or choose another directory`,
    );
  }
  if (checkpoint !== undefined && checkpoint.state.runId !== runId) {
    throw new TerminalError(
      'failed_precondition',
      `${checkpoint.directory} is of run '${checkpoint.state.runId}', not of '${runId}'`,
    );
  }
  const tokenizerHash = await hashOf(join(modelPath, 'tokenizer.json'));
  const records = new Map<number, StepRecord>();
  let step = checkpoint?.state.step ?? 0;
  let chain = checkpoint?.state.chain ?? initialChain;
  if (checkpoint !== undefined) {
    const { metrics } = checkpoint.state;
    records.set(step, { step, chain, metrics, weightsPath: '', checkpointPath: checkpoint.directory });
  }
  // Versions past the checkpoint belong to steps that will be made again.
  await forgetVersions(directory, (version) => version > step);

  async function write(record: StepRecord, wantsCheckpoint: boolean): Promise<void> {
    if (record.weightsPath === '' || !(await exists(join(record.weightsPath, 'model.safetensors')))) {
      const path = versionDirectory(directory, record.step);
      await writeDirectory(path, {
        'config.json': '{"model_type": "scripted"}\n',
        'model.safetensors': safetensorsOf(record.chain),
      });
      await forgetVersions(directory, (version) => version <= record.step - keptVersions);
      record.weightsPath = path;
    }
    if (wantsCheckpoint && record.checkpointPath === '') {
      const state = { runId, step: record.step, chain: record.chain, metrics: record.metrics };
      record.checkpointPath = await writeCheckpoint(root, state, request.keepCheckpoints || 2);
    }
  }

  function wasApplied(asked: number): boolean {
    if (asked === step + 1) return false;
    if (records.has(asked)) return true;
    throw new TerminalError(
      'failed_precondition',
      `step is ${asked}, the learner of run ${runId} is at ${step}; send ${step + 1}`,
    );
  }

  return {
    runId,
    directory,
    tokenizerHash,
    get step() {
      return step;
    },
    async weightsPath(): Promise<string> {
      const record = records.get(step);
      if (record === undefined) return modelPath;
      await write(record, false);
      return record.weightsPath;
    },
    /** False for the next step. Throws TerminalError for one that is out of order. */
    wasApplied,
    /** The step's record, and whether it was applied now. */
    async apply(
      asked: number,
      samples: readonly TrainedSample[],
      metrics: Readonly<Record<string, number>>,
      wantsCheckpoint: boolean,
    ): Promise<{ readonly record: StepRecord; readonly applied: boolean }> {
      const known = wasApplied(asked) ? records.get(asked) : undefined;
      if (known !== undefined) {
        if (known.step === step) await write(known, wantsCheckpoint);
        return { record: known, applied: false };
      }
      chain = chainStep(chain, asked, samples);
      step = asked;
      const record = { step, chain, metrics, weightsPath: '', checkpointPath: '' };
      records.set(step, record);
      records.delete(step - keptRecords);
      await write(record, wantsCheckpoint);
      return { record, applied: true };
    },
  };
}

export type OpenRun = Awaited<ReturnType<typeof openLearnerRun>>;

function versionDirectory(directory: string, version: number): string {
  return join(directory, 'versions', String(version).padStart(6, '0'));
}

async function forgetVersions(directory: string, isOld: (version: number) => boolean): Promise<void> {
  const root = join(directory, 'versions');
  if (!(await exists(root))) return;
  const old = (await readdir(root)).filter((name) => /^\d{6,}$/.test(name) && isOld(Number(name)));
  for (const name of old) await rm(join(root, name), { recursive: true, force: true });
}

async function hashOf(path: string): Promise<string> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  } catch (cause) {
    throw new TerminalError('invalid_argument', `model_path: ${path} cannot be read`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errorFrom(error).code === 'not_found') return false;
    throw error;
  }
}
