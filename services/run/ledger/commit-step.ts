import type { StepCommitted } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { isRemembered } from '#stages/kit/kinds.ts';
import { splitFinite } from './finite.ts';
import { misplaced, stageIn } from './require-state.ts';
import { withStage } from './run-state.ts';
import type { RunState, StepSummary } from './run-state.ts';

/** Checkpoints behind which decided batches are kept: a learner may find its newest one broken. */
const rememberedCheckpoints = 3;

/** The state after a step of training: its batch leaves, and so do its groups and what nobody asks of the steps before it. */
export function commitStep(state: RunState, value: StepCommitted): RunState {
  const step = Number(value.step);
  if (step <= state.step) return state;
  const [head, ...waiting] = state.formed;
  if (head === undefined || Number(head.step) !== step) {
    throw misplaced(state, 'stepCommitted', `step ${step} is not the one that waits for training`);
  }
  const entered = stageIn(state, 'stepCommitted');
  const { finite, notFinite } = splitFinite(value.metrics);
  const checkpoints =
    value.checkpointPath === '' ? state.checkpoints : [...state.checkpoints, step].slice(-rememberedCheckpoints);
  const oldest = checkpoints.length < rememberedCheckpoints ? state.branch.baseStep : (checkpoints[0] ?? 0);
  const summary = {
    step,
    version: Number(value.version),
    // Ledgers of earlier versions have such numbers among the metrics.
    notFinite: [...new Set([...value.notFinite, ...notFinite])],
    metrics: finite,
  };
  return {
    ...withStage(state, { steps: [...entered.steps.slice(0, -1), ...entered.steps.slice(-1).map(remember), summary] }),
    step,
    weightsPath: value.weightsPath,
    formed: waiting,
    groups: withoutStep(state.groups, head.stageStep),
    checkpoints,
    checkpointPath: value.checkpointPath === '' ? state.checkpointPath : value.checkpointPath,
    replayable: state.replayable.filter((formed) => Number(formed.step) > oldest),
  };
}

const remembered =
  /^(?:reward\/.*|detector\/[^/]*|time\/step|rollouts\/(?:published|completed)|groups\/opened|train\/updates_skipped|train\/micro_batch_splits|token_mismatches|learned|grad_norm)$/;

/** What later decisions and summaries ask of a step; the others of its metrics are kept while it is the newest one. */
function remember(step: StepSummary): StepSummary {
  return {
    ...step,
    metrics: Object.fromEntries(
      Object.entries(step.metrics).filter(([name]) => remembered.test(name) || isRemembered(name)),
    ),
  };
}

function withoutStep(groups: RunState['groups'], stageStep: number): RunState['groups'] {
  return new Map([...groups].filter(([, { opened }]) => opened.purpose !== Purpose.TRAIN || opened.step !== stageStep));
}
