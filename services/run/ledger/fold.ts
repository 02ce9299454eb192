import type { LedgerEntry, RunQueued, RunResumed, RunStarted } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { reroot } from '#recipe/reroot.ts';
import { kindNamed } from '#stages/kit/kinds.ts';
import { commitStep } from './commit-step.ts';
import { splitFinite } from './finite.ts';
import { misplaced, running, stageIn, started } from './require-state.ts';
import { artefactKey, currentStage, trainedWeights, versionOf, withStage } from './run-state.ts';
import type { Evaluation, GroupRecord, RunEnding, RunState, StageState } from './run-state.ts';
import { emptyTally, withClosedGroup } from './training-tally.ts';

/** Longest time between two entries that wall clocks are believed, where nothing better is known. */
const believedGapMs = 3_600_000;

/**
 * The state after one more fact. Pure. A fact that is there already (an append that was sent twice) changes nothing; a
 * fact that cannot follow throws TerminalError('data_loss'), since it means that the ledger is not whole.
 */
export function foldEntry(state: RunState, entry: LedgerEntry): RunState {
  const atMs = Number(entry.atMs);
  const next = transition(state, entry);
  if (next === state) return state;
  // The time between an end and a resume is not the run's; neither is that after a crash, which shows as a resume while running.
  const pause = state.entries === 0 || state.life !== 'running' || entry.fact.case === 'runResumed';
  return {
    ...next,
    entries: state.entries + 1,
    activeMs: state.activeMs + (pause ? 0 : sinceLastMs(state, entry)),
    lastAtMs: atMs,
  };
}

/** Wall clocks jump, so they are asked only where an earlier version wrote nothing else. */
function sinceLastMs(state: RunState, { atMs, elapsedMs }: LedgerEntry): number {
  if (elapsedMs !== undefined) return Number(elapsedMs);
  return Math.min(believedGapMs, Math.max(0, Number(atMs) - state.lastAtMs));
}

function transition(state: RunState, { fact, atMs }: LedgerEntry): RunState {
  switch (fact.case) {
    case 'runQueued':
      if (state.queued?.fleetId === fact.value.fleetId) return state;
      if (state.life === 'running') throw misplaced(state, fact.case, 'the run is running');
      return queuedWith(state, fact.value, Number(atMs));
    case 'runStarted': {
      if (state.begun) return state;
      const { recipeJson, recipeHash, seed, directory } = fact.value;
      const asked = {
        recipeJson,
        recipeHash,
        seed: Number(seed),
        directory,
        priority: fact.value.priority || state.priority,
      };
      const begun = { ...state, life: 'running', begun: true, queued: undefined, message: '', ...asked } as const;
      return standingOn(begun, fact.value, Number(atMs));
    }
    case 'runResumed':
      return {
        ...standingOn(started(state, fact.case), fact.value, Number(atMs)),
        ...(fact.value.directory !== '' && movedTo(state, fact.value)),
        life: 'running',
        queued: undefined,
        message: '',
        priority: fact.value.priority || state.priority,
        // A takeover is no wish to go on.
        stop: fact.value.takenOver ? state.stop : undefined,
      };
    case 'versionsMoved':
      return moveVersions(running(state, fact.case), Number(fact.value.by));
    case 'runEnded':
      if (state.life !== 'running' && state.life !== 'queued') return state;
      return { ...state, life: endOf(fact.value.state), queued: undefined, message: fact.value.message };
    case 'stopRequested': {
      const { life, stop, step } = started(state, fact.case);
      if (life !== 'running' || stop?.now === true || (stop !== undefined && !fact.value.now)) return state;
      return { ...state, stop: { now: fact.value.now, step: stop?.step ?? step } };
    }
    case 'stageEntered': {
      const { stage: name, stageIndex: index } = fact.value;
      const last = currentStage(running(state, fact.case));
      if (last !== undefined && last.index === index && last.gate?.action !== 'repeat') return state;
      const round = state.stages.filter((stage) => stage.index === index).length;
      const entered: StageState = {
        name,
        index,
        round,
        entryStep: state.step,
        entryVersion: versionOf(state),
        progress: undefined,
        steps: [],
        training: emptyTally,
        evaluations: [],
        finished: undefined,
        gate: undefined,
      };
      return { ...state, stages: [...state.stages, entered], groups: new Map() };
    }
    case 'groupOpened': {
      if (running(state, fact.case).groups.has(fact.value.groupId)) return state;
      return withGroup(state, { opened: fact.value, closed: undefined });
    }
    case 'groupClosed': {
      const group = running(state, fact.case).groups.get(fact.value.groupId);
      if (group === undefined) throw misplaced(state, fact.case, `group ${fact.value.groupId} was not opened`);
      // Counted once: the first close stands (P1).
      if (group.closed !== undefined) return state;
      const closed = withGroup(state, { ...group, closed: fact.value });
      if (group.opened.purpose !== Purpose.TRAIN) return closed;
      return withStage(closed, { training: withClosedGroup(stageIn(state, fact.case).training, fact.value) });
    }
    case 'stepFormed': {
      const step = Number(fact.value.step);
      const newest = running(state, fact.case).step + state.formed.length;
      if (step <= newest) return state;
      if (step !== newest + 1) throw misplaced(state, fact.case, `step ${step} follows step ${newest}`);
      return {
        ...state,
        formed: [...state.formed, fact.value],
        replayable: [...state.replayable, fact.value],
      };
    }
    case 'stepCommitted':
      return commitStep(state, fact.value);
    case 'evalFinished': {
      const { stage, name } = fact.value;
      const metrics = splitFinite(fact.value.metrics).finite;
      const stageStep = currentStage(state)?.steps.length ?? 0;
      const weights = trainedWeights(state);
      const evaluation = { stage, name, version: versionOf(state), stageStep, metrics, weights };
      if (name === 'baseline') {
        return state.baseline === undefined
          ? { ...running(state, fact.case), baseline: evaluation, groups: new Map() }
          : state;
      }
      const entered = stageIn(state, fact.case);
      if (entered.evaluations.some((known) => known.name === name)) return state;
      return { ...withStage(state, { evaluations: [...entered.evaluations, evaluation] }), groups: new Map() };
    }
    case 'stageFinished': {
      if (stageIn(state, fact.case).finished !== undefined) return state;
      if (state.formed.length > 0)
        throw misplaced(state, fact.case, `${state.formed.length} batches wait for training`);
      // Groups that were opened for a step that never came are not carried into the evaluation.
      return { ...withStage(state, { finished: { reason: reasonOf(fact.value.reason) } }), groups: new Map() };
    }
    case 'gateDecided': {
      const entered = stageIn(state, fact.case);
      if (entered.gate !== undefined) return state;
      const { passed, action, reason } = fact.value;
      const decided = withStage(state, { gate: { passed, action, reason } });
      return action === 'roll_back' ? withNewBranch(decided) : decided;
    }
    case 'stageFact': {
      const { kind, json, newBranch } = fact.value;
      const { progress } = stageIn(state, fact.case);
      const folded = kindNamed(kind).fold?.(progress, JSON.parse(json)) ?? progress;
      const known = withStage(state, { progress: folded });
      return newBranch ? withNewBranch(known) : known;
    }
    case 'artefactLeft': {
      const { stage, artefact, digest } = fact.value;
      const { artefacts } = running(state, fact.case);
      const key = artefactKey(stage, artefact);
      return artefacts.get(key) === digest ? state : { ...state, artefacts: new Map(artefacts).set(key, digest) };
    }
    case 'resultRefused': {
      const { taskId, attempt, reason } = fact.value;
      const id = refusalId(taskId, attempt);
      if (running(state, fact.case).refusals.has(id)) return state;
      return { ...state, refusals: new Map(state.refusals).set(id, reason) };
    }
    case 'filesDamaged': {
      const { damagedFiles } = running(state, fact.case);
      const found = fact.value.files.filter((file) => !damagedFiles.includes(file));
      return found.length === 0 ? state : { ...state, damagedFiles: [...damagedFiles, ...found] };
    }
    case undefined:
      throw misplaced(state, 'nothing', 'it has no fact; it was written by a newer version');
  }
}

function queuedWith(state: RunState, fact: RunQueued, atMs: number): RunState {
  const { fleetId, recipeJson, recipeHash, seed, directory, acceptChanged } = fact;
  const isKnown = state.begun || recipeJson === '';
  return {
    ...(isKnown ? state : standingOn({ ...state, recipeJson, recipeHash, seed: Number(seed), directory }, fact, atMs)),
    life: 'queued',
    queued: { fleetId, recipeJson: isKnown ? recipeJson : '', directory: isKnown ? directory : '', acceptChanged },
    message: '',
    priority: fact.priority || state.priority,
  };
}

/** What the run stands on from here, if it is given, and what of it was accepted. */
function standingOn(state: RunState, fact: RunQueued | RunStarted | RunResumed, atMs: number): RunState {
  const accepted = 'accepted' in fact ? fact.accepted : [];
  return {
    ...state,
    ...(fact.inputs.length > 0 && {
      inputs: fact.inputs.map(({ name, path, digest, sizeBytes }) => ({
        name,
        path,
        digest,
        bytes: Number(sizeBytes),
      })),
      inputsAtMs: atMs,
    }),
    acceptedChanges: [
      ...state.acceptedChanges,
      ...accepted.map(({ name, path, recordedDigest, foundDigest }) => ({
        atMs,
        name,
        path,
        recorded: recordedDigest === '' ? null : recordedDigest,
        found: foundDigest === '' ? null : foundDigest,
      })),
    ],
  };
}

/** An attempt has one result that counts, so it is refused at most once. */
export function refusalId(taskId: string, attempt: number): string {
  return `${taskId}:${attempt}`;
}

/** What lay in the run's directory has moved with it; what the recipe names is recorded anew. */
function movedTo(state: RunState, { directory, recipeJson }: RunResumed): Partial<RunState> {
  const rerooted = (path: string): string => reroot(path, state.directory, directory);
  const moved = (evaluation: Evaluation): Evaluation =>
    evaluation.weights === undefined
      ? evaluation
      : { ...evaluation, weights: { ...evaluation.weights, path: rerooted(evaluation.weights.path) } };
  return {
    directory,
    recipeJson,
    weightsPath: rerooted(state.weightsPath),
    stages: state.stages.map((stage) => ({ ...stage, evaluations: stage.evaluations.map(moved) })),
  };
}

/** Versions that were reported before keep their numbers; the stage in progress counts on from the new ones. */
function moveVersions(state: RunState, by: number): RunState {
  const stage = currentStage(state);
  const branch = { ...state.branch, baseVersion: state.branch.baseVersion + by };
  const moved = { ...state, branch };
  return stage === undefined ? moved : withStage(moved, { entryVersion: stage.entryVersion + by });
}

function withGroup(state: RunState, group: GroupRecord): RunState {
  // Changed in place: a copy for every group would cost quadratic time. No state before this one is kept by anybody.
  const groups = state.groups instanceof Map ? state.groups : new Map(state.groups);
  groups.set(group.opened.groupId, group);
  return { ...state, groups };
}

function withNewBranch(state: RunState): RunState {
  return {
    ...state,
    branch: { index: state.branch.index + 1, baseStep: state.step, baseVersion: versionOf(state) + 1 },
    weightsPath: '',
    replayable: [],
    checkpoints: [],
    checkpointPath: '',
  };
}

/** Ledgers of earlier versions call it `exhausted` where no group of a batch had rewards that vary. */
const reasonOf = (reason: string): string => (reason === 'exhausted' ? 'nothing_to_learn' : reason);

function endOf(state: string): RunEnding {
  if (state === 'stopped' || state === 'failed' || state === 'finished' || state === 'nothing_to_learn') return state;
  throw new TerminalError(
    'data_loss',
    `the ledger has a run that ended as '${state}'; known are finished, nothing_to_learn, stopped, failed`,
  );
}
