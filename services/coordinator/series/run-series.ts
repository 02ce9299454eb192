import type { Recipe } from '#recipe/schema.ts';
import type { Gauge, Metrics } from '#platform/telemetry/metrics.ts';
import { currentStage } from '#run/ledger/run-state.ts';
import type { RunState, StageState } from '#run/ledger/run-state.ts';
import { createStepGauges } from './run-gauges.ts';

/** Names that an evaluation has in Prometheus; a recipe's scorers and an environment choose them. */
export const mostEvaluationMetrics = 32;

type Labels = Readonly<Record<string, string>>;
type Described = Pick<Recipe, 'name' | 'seed' | 'environment' | 'fleet' | 'stages'>;

/**
 * What a person compares runs by, with the labels `run` and `stage`. A run has series of one stage at a time, and none after its end or
 * once another coordinator leads it: a coordinator drives at most `max_runs`, so the number of series is bounded.
 */
export interface RunSeries {
  /** At the start, and after each fact: shows what the state says. */
  observe(state: RunState, recipe: Described): void;
  rolloutsOpen(runId: string, count: number): void;
  groupsScoring(runId: string, count: number): void;
  disk(runId: string, freeBytes: number, sizeBytes: number): void;
  ended(runId: string): void;
}

interface Shown {
  stage: string;
  /** Objects of the state that were shown last. */
  step: unknown;
  evaluation: unknown;
  readonly series: Map<Gauge, Map<string, Labels>>;
}

/** `name`, or `name#2` where the stage is repeated. */
function labelOf(stage: StageState | undefined): string {
  if (stage === undefined) return '';
  return stage.round === 0 ? stage.name : `${stage.name}#${stage.round + 1}`;
}

/** `now` is the wall clock in milliseconds. */
export function createRunSeries(metrics: Metrics, now: () => number = Date.now): RunSeries {
  const info = metrics.gauge('gradus_run_info', 'Runs that are driven here, with what each is: 1.', [
    'run',
    'recipe',
    'environment',
    'learner',
    'seed',
  ]);
  const steps = metrics.gauge('gradus_run_step', 'Training steps that the run has committed.', ['run', 'stage']);
  const progress = metrics.gauge(
    'gradus_run_progress_timestamp_seconds',
    'Unix time of the newest fact in the ledger of a run that is driven here.',
    ['run', 'stage'],
  );
  const bound = metrics.gauge(
    'gradus_staleness_bound_versions',
    'max_staleness of the stage; absent where its kind has none.',
    ['run', 'stage'],
  );
  const evaluated = metrics.gauge(
    'gradus_evaluation_metric',
    'Newest evaluation on held-out rows, by names of metrics.jsonl without those of single tags; 32 at most.',
    ['run', 'stage', 'metric'],
  );
  const open = metrics.gauge('gradus_rollouts_open', 'Rollouts that are published and unanswered.', ['run', 'stage']);
  const scoring = metrics.gauge(
    'gradus_groups_scoring',
    'Settled groups whose samples are being scored against each other.',
    ['run', 'stage'],
  );
  const diskFree = metrics.gauge('gradus_run_disk_free_bytes', 'Free room on the disk of the directory of the run.', [
    'run',
    'stage',
  ]);
  const diskSize = metrics.gauge('gradus_run_disk_size_bytes', 'Size of that disk.', ['run', 'stage']);
  const ofStep = createStepGauges(metrics);
  const runs = new Map<string, Shown>();

  /** Without a value there is no series. */
  function set(runId: string, gauge: Gauge, value: number | undefined, further: Labels = {}): void {
    const shown = runs.get(runId);
    if (shown === undefined) return;
    const labels = { run: runId, ...(gauge !== info && { stage: shown.stage }), ...further };
    const known = shown.series.get(gauge) ?? new Map<string, Labels>();
    shown.series.set(gauge, known);
    if (value === undefined) {
      if (known.delete(JSON.stringify(labels))) gauge.remove(labels);
    } else {
      gauge.set(labels, value);
      known.set(JSON.stringify(labels), labels);
    }
  }

  function clear({ series }: Shown): void {
    for (const [gauge, known] of series) for (const labels of known.values()) gauge.remove(labels);
    series.clear();
  }

  function begin(runId: string, stage: string, { name, environment, fleet, seed }: Described): Shown {
    const before = runs.get(runId);
    if (before?.stage === stage) return before;
    if (before !== undefined) clear(before);
    const shown: Shown = { stage, step: undefined, evaluation: undefined, series: new Map() };
    runs.set(runId, shown);
    set(runId, info, 1, {
      recipe: name,
      environment: environment.name,
      learner: fleet.learner.kind,
      seed: String(seed),
    });
    return shown;
  }

  return {
    observe(state, recipe) {
      const { runId } = state;
      const stage = currentStage(state);
      const shown = begin(runId, labelOf(stage), recipe);
      set(runId, steps, state.step);
      set(runId, progress, now() / 1000);
      const declared = recipe.stages[stage?.index ?? -1];
      if (declared !== undefined && 'max_staleness' in declared) set(runId, bound, declared.max_staleness);
      const step = stage?.steps.at(-1);
      if (step !== shown.step) {
        for (const [name, { gauge, label }] of Object.entries(ofStep)) {
          set(runId, gauge, step?.metrics[name], label);
        }
        shown.step = step;
      }
      const evaluation = stage?.evaluations.at(-1) ?? state.baseline;
      if (evaluation !== shown.evaluation) {
        for (const { metric = '' } of shown.series.get(evaluated)?.values() ?? [])
          set(runId, evaluated, undefined, { metric });
        for (const [metric, value] of Object.entries(evaluationMetrics(evaluation?.metrics ?? {})))
          set(runId, evaluated, value, { metric });
        shown.evaluation = evaluation;
      }
    },
    rolloutsOpen: (runId, count) => set(runId, open, count),
    groupsScoring: (runId, count) => set(runId, scoring, count),
    disk(runId, freeBytes, sizeBytes) {
      set(runId, diskFree, freeBytes);
      set(runId, diskSize, sizeBytes);
    },
    ended(runId) {
      const shown = runs.get(runId);
      if (shown !== undefined) clear(shown);
      runs.delete(runId);
    },
  };
}

/** Those that a person compares runs by: of the whole evaluation, and by names that are known before it. */
function evaluationMetrics(metrics: Readonly<Record<string, number>>): Record<string, number> {
  const kept = Object.entries(metrics).filter(([name]) => !name.includes('=') && !name.includes('.environment.'));
  return Object.fromEntries(kept.slice(0, mostEvaluationMetrics));
}
