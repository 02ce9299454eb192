import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StepHeader, TrainStepRequest, TrainStepResponseSchema } from '#proto/learner/v1/learner_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import type { ScriptedLearnerEvents } from '../events.ts';
import type { OpenRun, RunHolder } from '../run/open-run.ts';
import { readSample, type TrainedSample } from '../run/read-sample.ts';

export interface TrainStepContext {
  readonly holder: RunHolder;
  readonly events: ScriptedLearnerEvents;
  readonly stepMs: number;
}

/** Reads and checks every sample, one at a time, then counts the step. Nothing is applied unless every sample is sound. */
export async function trainStep(
  { holder, events, stepMs }: TrainStepContext,
  requests: AsyncIterable<TrainStepRequest>,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof TrainStepResponseSchema>> {
  const startedMs = performance.now();
  const { run } = holder;
  if (run === undefined) throw new TerminalError('failed_precondition', 'no run is open; call OpenRun first');
  const { header, samples } = await readStep(run, requests);
  const step = Number(header.step);
  if (!run.wasApplied(step)) await sleep(stepMs, signal);
  const seconds = (performance.now() - startedMs) / 1000;
  // From here on a disconnect of the caller changes nothing: its repetition finds the record.
  const { record, applied } = await holder.inOrder(async () => {
    if (run !== holder.run)
      throw new TransientError('aborted', `run ${run.runId} was opened again meanwhile; send the step again`);
    const keep = new Set(header.keepVersions.map(Number));
    return await run.apply(step, samples, metricsOf(samples, seconds), header.checkpoint, keep);
  });
  events.stepAnswered(step, applied, seconds);
  const { metrics, weightsPath, weightsDigest, checkpointPath } = record;
  return { step: header.step, version: header.step, weightsPath, weightsDigest, applied, metrics, checkpointPath };
}

async function readStep(
  run: OpenRun,
  requests: AsyncIterable<TrainStepRequest>,
): Promise<{ readonly header: StepHeader; readonly samples: readonly TrainedSample[] }> {
  let header: StepHeader | undefined;
  const samples: TrainedSample[] = [];
  for await (const { message } of requests) {
    if (header === undefined) {
      header = headerOf(run, message);
      continue;
    }
    // Answered from its record; its samples are read past.
    if (run.wasApplied(Number(header.step))) continue;
    if (message.case !== 'sample')
      throw new TerminalError('invalid_argument', `message ${samples.length + 2} must be a sample`);
    if (samples.length >= header.samples)
      throw new TerminalError('invalid_argument', `more samples came than the header's ${header.samples}`);
    samples.push(await readSample(message.value, samples.length));
  }
  if (header === undefined) throw new TerminalError('invalid_argument', 'the stream is empty; send a header first');
  if (!run.wasApplied(Number(header.step)) && samples.length !== header.samples)
    throw new TerminalError('invalid_argument', `${samples.length} samples came, the header says ${header.samples}`);
  return { header, samples };
}

function headerOf(run: OpenRun, message: TrainStepRequest['message']): StepHeader {
  if (message.case !== 'header') throw new TerminalError('invalid_argument', 'the first message must be the header');
  const { value } = message;
  if (value.runId !== run.runId)
    throw new TerminalError('failed_precondition', `run_id is '${value.runId}', open is '${run.runId}'`);
  if (value.samples === 0) throw new TerminalError('invalid_argument', 'samples is 0; a step needs at least one');
  return value;
}

/** Only what was counted: a scripted learner has no loss to show. */
function metricsOf(samples: readonly TrainedSample[], seconds: number): Record<string, number> {
  return {
    tokens: samples.reduce((sum, { tokens }) => sum + tokens, 0),
    model_tokens: samples.reduce((sum, { modelTokens }) => sum + modelTokens, 0),
    token_mismatches: 0,
    seconds,
  };
}
