import { Phase, RunState } from '#proto/coordinator/v1/coordinator_pb.ts';

const phaseWords: Readonly<Record<number, string>> = {
  [Phase.UNSPECIFIED]: 'starting',
  [Phase.EVALUATE]: 'evaluating',
  [Phase.ROLLOUT]: 'rollouts',
  [Phase.TRAIN]: 'training',
  [Phase.LOAD]: 'loading weights',
  [Phase.OPEN]: 'opening the learner',
};

const stateWords: Readonly<Record<number, string>> = {
  [RunState.UNSPECIFIED]: 'unknown',
  [RunState.RUNNING]: 'running',
  [RunState.STOPPED]: 'stopped',
  [RunState.FINISHED]: 'finished',
  [RunState.FAILED]: 'failed',
  [RunState.INTERRUPTED]: 'interrupted',
  [RunState.NOTHING_TO_LEARN]: 'nothing to learn',
  [RunState.QUEUED]: 'queued',
};

const ends: readonly RunState[] = [RunState.STOPPED, RunState.FINISHED, RunState.FAILED, RunState.NOTHING_TO_LEARN];

/** Nothing follows unless it is resumed. */
export function hasEnded({ state = RunState.UNSPECIFIED }: { readonly state?: RunState | undefined }): boolean {
  return ends.includes(state);
}

export const stateWord = (state: RunState): string => stateWords[state] ?? 'unknown';
export const phaseWord = (phase: Phase): string => phaseWords[phase] ?? 'working';
