import type { MessageInitShape } from '@bufbuild/protobuf';
import { Phase, RunState as Life } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatusSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import { headlineOf } from '#recipe/environment-part.ts';
import type { Recipe } from '#recipe/schema.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { plannedEvaluations } from '#stages/kit/planned-evaluations.ts';
import { versionOf } from '#run/ledger/run-state.ts';
import type { RunState, StageState } from '#run/ledger/run-state.ts';
import type { QueuePlace } from '../queue/admission.ts';
import { describeDivergence, findDivergences, detectorShares } from '#run/reward-divergence.ts';
import type { Progress } from '../watches/run-progress.ts';

export type RunStatusInit = MessageInitShape<typeof RunStatusSchema>;

export interface StatusInputs {
  readonly state: RunState;
  readonly recipe: Recipe;
  /** Undefined when no coordinator drives the run. */
  readonly progress: Progress | undefined;
  /** Time since the ledger's last entry, while the run is driven. */
  readonly sinceLastEntryMs: number;
  /** Some coordinator leads the run. */
  readonly led: boolean;
  /** Where it waits, of a run that is queued. */
  readonly place?: QueuePlace | undefined;
}

export function runStatus(inputs: StatusInputs): RunStatusInit {
  const { state, recipe, progress } = inputs;
  const stage = state.stages.at(-1);
  const index = stage?.index ?? 0;
  const lastStep = state.stages.flatMap((entered) => entered.steps).at(-1);
  const driven = progress !== undefined && state.life === 'running';
  const elapsedMs = state.activeMs + (driven ? inputs.sinceLastEntryMs : 0);
  const remainingMs = driven ? remaining(state, recipe) : undefined;
  const interrupted = state.life === 'running' && !inputs.led;
  return {
    runId: state.runId,
    // Its end is reported once its files are written: until then it is still at work.
    state: interrupted ? Life.INTERRUPTED : progress === undefined ? lifeToProto(state.life) : Life.RUNNING,
    stage: stage?.name ?? recipe.stages[0]?.name ?? '',
    stageIndex: index,
    stages: recipe.stages.length,
    phase: driven ? progress.phase : Phase.UNSPECIFIED,
    step: stage?.steps.length ?? 0,
    steps: stepsOf(recipe, index),
    rolloutsDone: driven ? progress.done : 0,
    rolloutsExpected: driven ? progress.expected : 0,
    policyVersion: BigInt(versionOf(state)),
    ...(lastStep?.metrics['reward/mean'] !== undefined && { rewardMean: lastStep.metrics['reward/mean'] }),
    metrics: { ...lastEvaluation(state), ...lastStep?.metrics },
    primaryMetric: headlineOf(recipe).primaryMetric,
    warnings: stage === undefined ? {} : warningsOf(stage),
    detectors: stage === undefined ? {} : { ...detectorShares(stage) },
    message: interrupted
      ? `no coordinator leads the run at the moment${state.stop === undefined ? '' : '; it is asked to stop'}`
      : state.life === 'running'
        ? [stopMessage(state), progress?.message, scoringMessage(progress), progress?.overdue]
            .filter(Boolean)
            .join('; ')
        : state.life === 'queued'
          ? (inputs.place?.reason ?? state.message)
          : state.message,
    queuePosition: state.life === 'queued' ? (inputs.place?.position ?? 0) : 0,
    elapsedMs: BigInt(Math.round(elapsedMs)),
    ...(remainingMs !== undefined && { remainingMs: BigInt(Math.round(remainingMs)) }),
    directory: state.directory,
    priority: state.priority,
  };
}

function stopMessage({ stop }: RunState): string {
  if (stop === undefined) return '';
  return stop.now ? 'stopping now' : 'stopping after this step';
}

/** Groups that are scored are neither rollouts on their way nor a step in training: else nobody would see them. */
function scoringMessage(progress: Progress | undefined): string {
  const scoring = [...(progress?.gatherings() ?? [])].flatMap((gathering) => gathering.scoring);
  const [first] = scoring;
  if (first === undefined) return '';
  return `scoring ${scoring.length} ${scoring.length === 1 ? 'group' : 'groups'}${first.what === '' ? '' : `: ${first.what}`}`;
}

function warningsOf(stage: StageState): Record<string, string> {
  return Object.fromEntries(
    findDivergences(stage).map((found) => [`reward_diverges/${found.metric}`, describeDivergence(found)]),
  );
}

function lifeToProto(life: RunState['life']): Life {
  switch (life) {
    case 'new':
      return Life.UNSPECIFIED;
    case 'queued':
      return Life.QUEUED;
    case 'running':
      return Life.RUNNING;
    case 'stopped':
      return Life.STOPPED;
    case 'failed':
      return Life.FAILED;
    case 'finished':
      return Life.FINISHED;
    case 'nothing_to_learn':
      return Life.NOTHING_TO_LEARN;
  }
}

function lastEvaluation(state: RunState): Record<string, number> {
  const last = state.stages.flatMap((stage) => stage.evaluations).at(-1);
  return Object.fromEntries(Object.entries(last?.metrics ?? {}).map(([name, value]) => [`eval/${name}`, value]));
}

function stepsOf(recipe: Recipe, index: number): number {
  const stage = recipe.stages[index];
  return stage === undefined ? 0 : kindOf(stage).estimate(stage, recipe).steps;
}

/** Milliseconds, from the mean time of the steps and evaluations so far; undefined until a step is committed. */
function remaining(state: RunState, recipe: Recipe): number | undefined {
  const steps = state.stages.flatMap((stage) => stage.steps);
  if (steps.length === 0) return undefined;
  const recent = steps.slice(-5);
  const stepSeconds = recent.reduce((sum, step) => sum + (step.metrics['time/step'] ?? 0), 0) / recent.length;
  const current = state.stages.at(-1);
  const index = current?.index ?? 0;
  let stepsLeft = Math.max(
    0,
    stepsOf(recipe, index) - (current?.finished === undefined ? (current?.steps.length ?? 0) : Infinity),
  );
  for (let later = index + 1; later < recipe.stages.length; later++) stepsLeft += stepsOf(recipe, later);

  const timed = state.stages
    .flatMap((stage) => stage.evaluations)
    .filter((evaluation) => evaluation.metrics['time/eval'] !== undefined);
  const evalSeconds =
    timed.length === 0
      ? 0
      : timed.reduce((sum, evaluation) => sum + (evaluation.metrics['time/eval'] ?? 0), 0) / timed.length;
  const evalsLeft = evaluationsLeft(recipe, current, index);
  return (stepsLeft * stepSeconds + evalsLeft * evalSeconds) * 1000;
}

/** Of the stage that the run is in, those that have no entry yet; of a stage that ended, only the one after it. */
function evaluationsLeft(recipe: Recipe, current: StageState | undefined, index: number): number {
  const planned = plannedEvaluations(recipe).filter(({ when }) => when !== 'baseline');
  const later = planned.filter(({ stage }) => stage > index).length;
  const recorded = current?.evaluations.filter(({ name }) => name !== 'before') ?? [];
  const here = planned.filter(({ stage, when }) => stage === index && when !== 'before').length;
  if (current?.finished === undefined) return later + Math.max(0, here - recorded.length);
  return later + (here > 0 && recorded.every(({ name }) => name !== 'after') ? 1 : 0);
}
