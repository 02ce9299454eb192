import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import type { StepHeader } from '#proto/learner/v1/learner_pb.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { safetensorsOf } from '../fixtures/safetensors.ts';

export interface AppliedStep {
  readonly directory: string;
  readonly step: number;
  readonly header: StepHeader;
  /** Payloads as text, in the order received. */
  readonly payloads: readonly string[];
  readonly advantages: readonly number[];
}

export interface ScriptedLearner {
  readonly address: string;
  /** Every step that was applied, replays included. */
  readonly applied: readonly AppliedStep[];
  readonly opened: readonly { directory: string; modelPath: string; resume: boolean }[];
  /** Loses what came after the last checkpoint, as a crash does. */
  crash(): void;
  /** The next TrainStep calls fail with these errors, before or after the step is applied. */
  failNext(error: Error, when: 'before' | 'after'): void;
  /** Resolves inside every TrainStep before it is applied. */
  beforeStep: (step: number) => Promise<void>;
  /** What it says of damaged files when a run is opened. */
  damaged: readonly string[];
  /** What a step reports next to the usual metrics. */
  moreMetrics: (step: number) => Record<string, number>;
  /** Metrics that a step leaves out because they were not finite, with what they were. */
  absentMetrics: (step: number) => Record<string, string>;
  close(): Promise<void>;
}

/** One number, which is the learner's step. */
export function weightsOf(step: number): Buffer {
  return safetensorsOf({ step: { dtype: 'F32', shape: [1], values: [step] } });
}

/** A learner that computes nothing and keeps the contract: steps in order, each applied once, checkpoints survive a crash, no leader of the past is heard. */
export async function startScriptedLearner(): Promise<ScriptedLearner> {
  const applied: AppliedStep[] = [];
  const opened: { directory: string; modelPath: string; resume: boolean }[] = [];
  const checkpoints = new Map<string, number>();
  const failures: { error: Error; when: 'before' | 'after' }[] = [];
  let open: { directory: string; step: number } | undefined;
  let epoch = 0n;
  const checkEpoch = (given: bigint) => {
    if (given < epoch) throw new TerminalError('failed_precondition', `epoch is ${given}, ${epoch} was seen`);
    epoch = given;
  };
  const learner = {
    beforeStep: async (_step: number) => {},
    damaged: [] as readonly string[],
    moreMetrics: (_step: number): Record<string, number> => ({}),
    absentMetrics: (_step: number): Record<string, string> => ({}),
  };

  const weights = async (directory: string, step: number) => {
    const path = join(directory, 'versions', String(step).padStart(6, '0'));
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'model.safetensors'), weightsOf(step));
    await writeFile(join(path, 'config.json'), '{}');
    return path;
  };

  const server = createGrpcServer({
    log: createLogger({ service: 'scripted-learner', level: 'silent' }),
    metrics: createMetrics(),
  });
  server.add(LearnerService, {
    async openRun(request) {
      checkEpoch(request.epoch);
      opened.push({ directory: request.directory, modelPath: request.modelPath, resume: request.resume });
      const step = request.resume ? (checkpoints.get(request.directory) ?? 0) : 0;
      if (open?.directory !== request.directory) open = { directory: request.directory, step };
      return {
        step: BigInt(open.step),
        version: BigInt(open.step),
        weightsPath: open.step === 0 ? request.modelPath : await weights(open.directory, open.step),
        damaged: [...learner.damaged],
      };
    },
    async trainStep(requests) {
      let header: StepHeader | undefined;
      const payloads: string[] = [];
      const advantages: number[] = [];
      for await (const { message } of requests) {
        if (message.case === 'header') header = message.value;
        if (message.case !== 'sample') continue;
        payloads.push(Buffer.from(message.value.trajectory).toString());
        advantages.push(message.value.advantage);
      }
      if (header === undefined) throw new TerminalError('invalid_argument', 'no header');
      if (open === undefined) throw new TerminalError('failed_precondition', 'no open run');
      checkEpoch(header.epoch);
      if (payloads.length !== header.samples)
        throw new TerminalError('invalid_argument', `${payloads.length} samples, ${header.samples} promised`);
      const step = Number(header.step);
      if (step > open.step + 1) throw new TerminalError('failed_precondition', `step ${step} after ${open.step}`);
      const failure = failures.shift();
      if (failure?.when === 'before') throw failure.error;
      await learner.beforeStep(step);
      if (open === undefined) throw new TransientError('unavailable', 'the learner died');
      const isNew = step === open.step + 1;
      if (isNew) {
        applied.push({ directory: open.directory, step, header, payloads, advantages });
        open.step = step;
        if (header.checkpoint) checkpoints.set(open.directory, step);
      }
      const weightsPath = await weights(open.directory, step);
      if (failure !== undefined) throw failure.error;
      return {
        step: header.step,
        version: header.step,
        weightsPath,
        applied: isNew,
        metrics: {
          loss: 0.5,
          grad_norm: 0.1,
          clip_fraction: 0.02,
          entropy: 1.5,
          mismatch_k3: 1e-6,
          ...learner.moreMetrics(step),
        },
        absentMetrics: learner.absentMetrics(step),
        checkpointPath: header.checkpoint ? join(open.directory, 'checkpoints', `step-${step}`) : '',
      };
    },
    describe: async () => ({ runId: '', step: BigInt(open?.step ?? 0), parameters: 1n, device: 'none' }),
  });
  const address = await server.listen('127.0.0.1:0');
  return Object.assign(learner, {
    address,
    applied,
    opened,
    crash() {
      open = undefined;
    },
    failNext: (error: Error, when: 'before' | 'after') => void failures.push({ error, when }),
    close: () => server.drain(1000),
  });
}
