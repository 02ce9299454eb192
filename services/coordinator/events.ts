import type { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { fateWord } from '#trajectory/enum-words.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { createEnvironmentSeries } from './series/environment-series.ts';
import { createRunSeries } from './series/run-series.ts';
import type { RunSeries } from './series/run-series.ts';
import type { Reception } from './groups/group-collector.ts';

/** What happens in this service, counted in one place. */
export interface CoordinatorEvents {
  /** What runs are compared by. */
  readonly series: RunSeries;
  runs(active: number): void;
  /** Runs that wait in the queue of the fleet. */
  queued(waiting: number): void;
  taskPublished(purpose: 'train' | 'eval', again: boolean): void;
  /** Published and unanswered, and in nobody's hands: handed out again. */
  tasksLost(count: number): void;
  /** A consumer of the task queue did not agree with it, and was made again. */
  consumerRepaired(purpose: 'train' | 'eval'): void;
  resultReceived(reception: Reception): void;
  groupOpened(purpose: 'train' | 'eval'): void;
  groupClosed(fate: GroupFate, seconds: number): void;
  /** `missing`: some component could not be had. */
  groupScored(outcome: 'scored' | 'missing', seconds: number): void;
  rolloutsCancelled(count: number): void;
  stepCommitted(): void;
  /** Means of what episodes report of themselves, by their names. */
  environmentReported(purpose: 'train' | 'eval', means: Readonly<Record<string, number>>): void;
  /** Of a run that is driven here; it counts until it is set otherwise. */
  rewardDiverges(runId: string, diverges: boolean): void;
  phaseEnded(phase: Phase, seconds: number): void;
  ledgerEntry(fact: string): void;
  retried(service: 'learner' | 'policy' | 'reward' | 'artefact service'): void;
  adopted(outcome: 'adopted' | 'failed'): void;
  leadershipLost(): void;
}

/** The two waits lie within the others: the learner without a batch, the engines without a rollout. */
export type Phase = 'rollout' | 'train' | 'sync' | 'eval' | 'learner_wait' | 'engine_wait';

const groupBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800] as const;

export function createCoordinatorEvents(metrics: Metrics): CoordinatorEvents {
  const runs = metrics.gauge('gradus_runs_active', 'Runs that this coordinator drives.');
  const queued = metrics.gauge('gradus_runs_queued', 'Runs that wait in the queue of the fleet.');
  const tasks = metrics.counter('gradus_tasks_published_total', 'Rollout tasks published.', ['purpose', 'again']);
  const lost = metrics.counter(
    'gradus_tasks_lost_total',
    'Tasks that were neither queued nor held by a worker before they were answered; they were published again.',
  );
  const repaired = metrics.counter(
    'gradus_consumers_repaired_total',
    'Consumers of the task queue that did not agree with it, as after a kill of the NATS server, and were made again.',
    ['purpose'],
  );
  const results = metrics.counter(
    'gradus_results_received_total',
    'Rollout results by what became of them: counted, redundant, unknown, stale, failed or refused; one that is counted is refused later where its trajectory is missing.',
    ['reception'],
  );
  const opened = metrics.counter('gradus_groups_opened_total', 'Groups opened.', ['purpose']);
  const closed = metrics.counter('gradus_groups_closed_total', 'Groups closed, by fate.', ['fate']);
  const groupSeconds = metrics.histogram(
    'gradus_group_completion_seconds',
    'Time from opening a group to its last result.',
    groupBuckets,
  );
  const scoringSeconds = metrics.histogram(
    'gradus_group_scoring_seconds',
    'Time that scoring the samples of a group against each other took, waiting included.',
    groupBuckets,
    ['outcome'],
  );
  const cancelled = metrics.counter(
    'gradus_coordinator_rollouts_cancelled_total',
    'Rollouts given up on purpose: deadline, end of a stage, or stop.',
  );
  const steps = metrics.counter('gradus_steps_committed_total', 'Training steps committed.');
  const diverging = metrics.gauge(
    'gradus_runs_diverging',
    'Runs whose training reward rises while exact match on held-out questions, or a declared component, falls.',
  );
  const divergingRuns = new Set<string>();
  const phases = metrics.histogram('gradus_phase_duration_seconds', 'Time in a phase of a run.', groupBuckets, [
    'phase',
  ]);
  const entries = metrics.counter('gradus_ledger_entries_total', 'Facts appended to ledgers.', ['fact']);
  const retries = metrics.counter(
    'gradus_coordinator_retries_total',
    'Calls repeated because a service did not answer.',
    ['service'],
  );
  const adoptions = metrics.counter(
    'gradus_runs_adopted_total',
    'Runs without a leader that this coordinator took over, or tried to.',
    ['outcome'],
  );
  const losses = metrics.counter(
    'gradus_run_leaderships_lost_total',
    'Runs that this coordinator let go because another one leads them.',
  );
  return {
    series: createRunSeries(metrics),
    runs: (active) => runs.set(active),
    queued: (waiting) => queued.set(waiting),
    taskPublished: (purpose, again) => tasks.inc({ purpose, again: String(again) }),
    tasksLost: (count) => lost.inc(count),
    consumerRepaired: (purpose) => repaired.inc({ purpose }),
    resultReceived: (reception) => results.inc({ reception }),
    groupOpened: (purpose) => opened.inc({ purpose }),
    groupClosed(fate, seconds) {
      closed.inc({ fate: fateWord(fate) });
      groupSeconds.observe(seconds);
    },
    groupScored: (outcome, seconds) => scoringSeconds.observe({ outcome }, seconds),
    rolloutsCancelled: (count) => cancelled.inc(count),
    stepCommitted: () => steps.inc(),
    environmentReported: createEnvironmentSeries(metrics),
    rewardDiverges(runId, diverges) {
      if (diverges) divergingRuns.add(runId);
      else divergingRuns.delete(runId);
      diverging.set(divergingRuns.size);
    },
    phaseEnded: (phase, seconds) => phases.observe({ phase }, seconds),
    ledgerEntry: (fact) => entries.inc({ fact }),
    retried: (service) => retries.inc({ service: service.replaceAll(' ', '_') }),
    adopted: (outcome) => adoptions.inc({ outcome }),
    leadershipLost: () => losses.inc(),
  };
}
