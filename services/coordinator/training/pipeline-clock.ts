/** How the time of a step was spent; all in milliseconds. */
export interface StepShares {
  /** Since the step before was committed, or since the stage was taken up. */
  readonly stepMs: number;
  /** Until its batch was decided: the learner had nothing to do. */
  readonly learnerWaitMs: number;
  /** With no rollout in flight: the engines had nothing to do. */
  readonly engineWaitMs: number;
  /** Rollouts in flight, averaged over the time of the step. */
  readonly meanInFlight: number;
}

/** Who waits for whom. Time is given; one clock for each time that a stage is taken up. */
export interface PipelineClock {
  inFlight(rollouts: number, nowMs: number): void;
  /** Ends a step that was trained from `trainMs` to `nowMs`. */
  takeStep(trainMs: number, nowMs: number): StepShares;
}

export function createPipelineClock(startMs: number): PipelineClock {
  let stepStartMs = startMs;
  let changedMs = startMs;
  let rollouts = 0;
  let idleMs = 0;
  let rolloutMs = 0;

  function advance(nowMs: number): void {
    if (rollouts === 0) idleMs += nowMs - changedMs;
    rolloutMs += rollouts * (nowMs - changedMs);
    changedMs = nowMs;
  }

  return {
    inFlight(count, nowMs) {
      advance(nowMs);
      rollouts = count;
    },
    takeStep(trainMs, nowMs) {
      advance(nowMs);
      const stepMs = nowMs - stepStartMs;
      const shares = {
        stepMs,
        learnerWaitMs: trainMs - stepStartMs,
        engineWaitMs: idleMs,
        meanInFlight: stepMs === 0 ? 0 : rolloutMs / stepMs,
      };
      stepStartMs = nowMs;
      idleMs = 0;
      rolloutMs = 0;
      return shares;
    },
  };
}
