import { durationBuckets, type Metrics, type Histogram } from '#platform/telemetry/metrics.ts';
import { customAbsenceReasons, type CustomAbsenceReason } from './custom-absence.ts';

/** Since the start, for Describe. */
export interface CustomTally {
  calls: number;
  absences: number;
  restarts: number;
}

/** What happens to one custom scorer, counted in one place. */
export interface CustomEvents {
  readonly tally: Readonly<CustomTally>;
  /** One rollout, however it ended; waiting included. */
  called(elapsedMs: number): void;
  scored(value: number): void;
  absent(reason: CustomAbsenceReason): void;
  restarted(): void;
  load(running: number, waiting: number): void;
}

/** `scorer` is a name of the config, so the label's values are a closed set. */
export function createCustomEvents(metrics: Metrics, scorer: string): CustomEvents {
  const calls = metrics.counter('gradus_custom_scorer_calls_total', 'Rollouts given to a custom scorer, by outcome.', [
    'scorer',
    'outcome',
  ]);
  const seconds = metrics.histogram(
    'gradus_custom_scorer_call_seconds',
    'Time of one rollout with a custom scorer, waiting included.',
    durationBuckets,
    ['scorer'],
  );
  const restarts = metrics.counter(
    'gradus_custom_scorer_restarts_total',
    'Processes of a custom scorer that had to be replaced.',
    ['scorer'],
  );
  const running = metrics.gauge('gradus_custom_scorer_running_calls', 'Rollouts that a custom scorer works on.', [
    'scorer',
  ]);
  const waiting = metrics.gauge('gradus_custom_scorer_waiting_calls', 'Rollouts that wait for a custom scorer.', [
    'scorer',
  ]);
  const components = componentHistogram(metrics);
  const tally: CustomTally = { calls: 0, absences: 0, restarts: 0 };
  for (const outcome of ['scored', ...customAbsenceReasons]) calls.inc({ scorer, outcome }, 0);
  restarts.inc({ scorer }, 0);

  return {
    tally,
    called(elapsedMs) {
      tally.calls += 1;
      seconds.observe({ scorer }, elapsedMs / 1000);
    },
    scored(value) {
      calls.inc({ scorer, outcome: 'scored' });
      components.observe({ scorer }, value);
    },
    absent(reason) {
      tally.absences += 1;
      calls.inc({ scorer, outcome: reason });
    },
    restarted() {
      tally.restarts += 1;
      restarts.inc({ scorer });
    },
    load(runningCalls, waitingCalls) {
      running.set({ scorer }, runningCalls);
      waiting.set({ scorer }, waitingCalls);
    },
  };
}

/** Tenths of a score. */
const ratioBuckets: readonly number[] = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** The label's values are names of the registry and of the config: a closed set. */
export function componentHistogram(metrics: Metrics): Histogram<'scorer'> {
  return metrics.histogram('gradus_reward_component_ratio', 'Components given, 0..1.', ratioBuckets, ['scorer']);
}
