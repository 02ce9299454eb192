import { join } from 'node:path';
import type { OpenRunRequest } from '#proto/learner/v1/learner_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkRoots } from '#platform/files/check-roots.ts';
import { differences, readManifest, weightsDigest } from '#weights/manifest.ts';
import { findCheckpoint, writeCheckpoint, chainStep, initialChain, safetensorsOf } from './checkpoints.ts';
import type { TrainedSample } from './read-sample.ts';
import { claimDirectory, forgetVersions, modelDigests } from './run-directory.ts';
import { writeDirectory } from './write-directory.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';

/** What a step answered, so that it can answer again. */
export interface StepRecord {
  readonly step: number;
  readonly chain: string;
  readonly metrics: Readonly<Record<string, number>>;
  weightsPath: string;
  weightsDigest: string;
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
export async function openLearnerRun(request: OpenRunRequest, roots: readonly string[]) {
  const { runId, directory, modelPath, resume } = request;
  if (runId === '') throw new TerminalError('invalid_argument', 'run_id is empty');
  await checkRoots('directory', directory, roots);
  await checkRoots('model_path', modelPath, roots);
  const model = await modelDigests(modelPath);
  const tokenizer = model['tokenizer.json'];
  if (tokenizer === undefined)
    throw new TerminalError('invalid_argument', `model_path: ${modelPath} has no tokenizer.json`);
  await claimDirectory(directory, runId, model, request.modelDigests);
  const root = join(directory, 'checkpoints');
  const { checkpoint, damaged } = await findCheckpoint(root);
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
  const records = new Map<number, StepRecord>();
  let step = checkpoint?.state.step ?? 0;
  let chain = checkpoint?.state.chain ?? initialChain;
  if (checkpoint !== undefined) {
    const { metrics } = checkpoint.state;
    records.set(step, {
      step,
      chain,
      metrics,
      weightsPath: '',
      weightsDigest: '',
      checkpointPath: checkpoint.directory,
    });
  }
  // Versions past the checkpoint belong to steps that will be made again.
  await forgetVersions(directory, runId, (version) => version > step);

  async function write(
    record: StepRecord,
    wantsCheckpoint: boolean,
    keep: ReadonlySet<number> | undefined,
  ): Promise<void> {
    if (record.weightsPath === '' || !(await isWhole(record.weightsPath))) {
      const path = versionDirectory(directory, record.step);
      const files = await writeDirectory(
        path,
        { 'config.json': '{"model_type": "scripted"}\n', 'model.safetensors': safetensorsOf(record.chain) },
        { kind: 'version', runId, step: record.step },
      );
      if (keep !== undefined)
        await forgetVersions(
          directory,
          runId,
          (version) => version <= record.step - keptVersions && !keep.has(version),
        );
      record.weightsPath = path;
      record.weightsDigest = weightsDigest(files);
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
    tokenizerHash: tokenizer.sha256,
    damaged,
    get step() {
      return step;
    },
    async weights(): Promise<{ readonly weightsPath: string; readonly weightsDigest: string }> {
      const record = records.get(step);
      if (record === undefined) return { weightsPath: modelPath, weightsDigest: weightsDigest(model) };
      // Nothing is removed: the next step says what stays.
      await write(record, false, undefined);
      return record;
    },
    /** False for the next step. Throws TerminalError for one that is out of order. */
    wasApplied,
    /** The step's record, and whether it was applied now. */
    async apply(
      asked: number,
      samples: readonly TrainedSample[],
      metrics: Readonly<Record<string, number>>,
      wantsCheckpoint: boolean,
      keep: ReadonlySet<number> = new Set(),
    ): Promise<{ readonly record: StepRecord; readonly applied: boolean }> {
      const known = wasApplied(asked) ? records.get(asked) : undefined;
      if (known !== undefined) {
        if (known.step === step) await write(known, wantsCheckpoint, keep);
        return { record: known, applied: false };
      }
      chain = chainStep(chain, asked, samples);
      step = asked;
      const record = { step, chain, metrics, weightsPath: '', weightsDigest: '', checkpointPath: '' };
      records.set(step, record);
      records.delete(step - keptRecords);
      await write(record, wantsCheckpoint, keep);
      return { record, applied: true };
    },
  };
}

export type OpenRun = Awaited<ReturnType<typeof openLearnerRun>>;

function versionDirectory(directory: string, version: number): string {
  return join(directory, 'versions', String(version).padStart(6, '0'));
}

async function isWhole(directory: string): Promise<boolean> {
  const manifest = await readManifest(directory).catch(() => undefined);
  return manifest !== undefined && (await differences(directory, manifest.files)).length === 0;
}

/** The one open run, and the lock under which it changes: one call after another, as in a learner with one device. */
export function createRunHolder() {
  const lock = createSemaphore(1);
  let run: OpenRun | undefined;
  return {
    get run(): OpenRun | undefined {
      return run;
    },
    hold(next: OpenRun): void {
      run = next;
    },
    inOrder: <T>(fn: () => Promise<T>): Promise<T> => lock.run(fn),
  };
}

export type RunHolder = ReturnType<typeof createRunHolder>;
