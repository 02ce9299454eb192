import { RolloutResultSchema, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { errorFrom } from '#platform/errors.ts';
import { findMessage } from '#platform/nats/find-message.ts';
import { decodeMessage } from '#platform/nats/messages.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { readFleetFile } from '#fleet/fleet-file.ts';
import { readRowFacts } from '#questions/row-facts.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import { readTrajectory } from '#run/rollouts/results.ts';
import { purposeWord } from '#trajectory/enum-words.ts';
import { recordedComposition, recordedTask } from '#trajectory/recorded-task.ts';
import { keepListedRollouts, readListedRollouts } from '../rollouts/listed-rollouts.ts';
import { plural, shortId } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { trainedMark } from '../transcript/render-transcript.ts';
import { withFleetNats } from '../transcript/with-streams.ts';
import type { ProgressStatus } from './progress.ts';
import { homeFlag } from './resume-hint.ts';

/** Without an evaluation in between. */
const everyMs = 300_000;

/** Whether a rollout is shown now: after the first step that is seen, after each evaluation, and every five minutes in which a step was made. */
export function isSampleDue(
  before: Pick<ProgressStatus, 'step' | 'metrics'> | undefined,
  status: Pick<ProgressStatus, 'step' | 'metrics'>,
  shown: { readonly any: boolean; readonly agoMs: number },
): boolean {
  if (before === undefined) return false;
  const isEvaluated = Object.entries(status.metrics).some(
    ([name, value]) => name.startsWith('eval/') && before.metrics[name] !== value,
  );
  return isEvaluated || (before.step !== status.step && (!shown.any || shown.agoMs >= everyMs));
}

export interface RolloutSampler {
  onStatus(status: ProgressStatus): void;
  /** Ends what is being read. */
  close(): Promise<void>;
}

/** Shows the newest rollout of a run now and then. What keeps it from doing so is said once; the run does not wait for it. */
export function createRolloutSampler(
  run: { readonly home: string; readonly runId: string },
  terminal: Terminal,
  now: () => number = () => performance.now(),
): RolloutSampler {
  const end = new AbortController();
  let before: ProgressStatus | undefined;
  let shownAtMs: number | undefined;
  let complained = false;
  let reading: Promise<void> | undefined;
  const show = async (): Promise<void> => {
    try {
      const sample = await readSample(run, AbortSignal.any([end.signal, AbortSignal.timeout(readMs)]));
      if (sample === undefined || end.signal.aborted) return;
      terminal.err(renderSample(sample.result, sample.trajectory, homeFlag(run.home)));
      await keepListedRollouts(run.home, [shortId(sample.result.taskId), ...(await readListedRollouts(run.home))]);
    } catch (thrown) {
      if (complained || end.signal.aborted) return;
      complained = true;
      terminal.err(`no sample rollout: ${errorFrom(thrown).message}`);
    }
  };
  return {
    onStatus(status) {
      const shown = { any: shownAtMs !== undefined, agoMs: now() - (shownAtMs ?? 0) };
      const isDue = reading === undefined && isSampleDue(before, status, shown);
      before = status;
      if (!isDue) return;
      shownAtMs = now();
      reading = show().finally(() => (reading = undefined));
    },
    async close() {
      end.abort();
      await reading;
    },
  };
}

const readMs = 30_000;

async function readSample(
  { home, runId }: { readonly home: string; readonly runId: string },
  signal: AbortSignal,
): Promise<{ readonly result: RolloutResult; readonly trajectory: Trajectory } | undefined> {
  const fleet = await readFleetFile(home);
  if (fleet === undefined) return undefined;
  return await withFleetNats(fleet, signal, async (nats) => {
    const newest = await findMessage(nats, streams.results, { last_by_subj: subjects.result(runId) }, signal);
    if (newest === undefined) return undefined;
    const result = decodeMessage(RolloutResultSchema, newest.data);
    // The platform failed it before one was written: another one comes.
    if (result.trajectorySequence === 0n) return undefined;
    return { result, trajectory: await readTrajectory(nats, result, signal) };
  });
}

const shownCharacters = 160;
const shownSegments = 6;

/** The question, the beginning of what each side wrote, and the reward. */
export function renderSample(result: RolloutResult, trajectory: Trajectory, home = ''): string[] {
  const { row } = recordedTask(trajectory);
  const { total } = composeRecorded(recordedComposition(trajectory), result);
  const spoken = trajectory.segments.filter(({ kind }) => kind !== SegmentKind.PROMPT);
  const leftOut = Math.max(0, spoken.length - shownSegments);
  const lines = spoken.map(({ kind, text }) => `    ${kind === SegmentKind.MODEL ? trainedMark : '  '}${short(text)}`);
  const half = shownSegments / 2;
  return [
    `  sample ${shortId(result.taskId)} (${purposeWord(result.purpose)}): ${row === undefined ? '' : short(readRowFacts(row).question)}`,
    ...(leftOut === 0
      ? lines
      : [...lines.slice(0, half), `      … ${plural(leftOut, 'part')} between`, ...lines.slice(-half)]),
    `    reward ${total === undefined ? 'not known yet' : total.toFixed(3)}, answer ${result.prediction === undefined ? 'none' : JSON.stringify(short(result.prediction))}; all of it: gradus rollout show ${shortId(result.taskId)}${home}`,
  ];
}

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= shownCharacters ? line : `${line.slice(0, shownCharacters - 1)}…`;
}
