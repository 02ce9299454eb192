import { describe, expect, it } from 'vitest';
import { createPipelineClock } from './pipeline-clock.ts';

describe('the clock of a pipeline', () => {
  it('says of each step how long the learner and the engines waited, and what was in flight', () => {
    const clock = createPipelineClock(1000);
    clock.inFlight(8, 1000);
    clock.inFlight(0, 3000);
    // Synchronous: 2 s of rollouts, 1 s of nothing, then training for 3 s.
    expect(clock.takeStep(4000, 7000)).toEqual({
      stepMs: 6000,
      learnerWaitMs: 3000,
      engineWaitMs: 4000,
      meanInFlight: (8 * 2000) / 6000,
    });
    clock.inFlight(4, 7000);
    // Overlapping: rollouts all the time, the batch was there at once.
    expect(clock.takeStep(7000, 9000)).toEqual({ stepMs: 2000, learnerWaitMs: 0, engineWaitMs: 0, meanInFlight: 4 });
  });

  it('is defined for a step that took no time', () => {
    expect(createPipelineClock(5).takeStep(5, 5)).toEqual({
      stepMs: 0,
      learnerWaitMs: 0,
      engineWaitMs: 0,
      meanInFlight: 0,
    });
  });
});
