import type { Logger } from '#platform/telemetry/logging.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';

export interface ScriptedLearnerEvents {
  runOpened(runId: string, step: number, damaged: readonly string[]): void;
  stepAnswered(step: number, applied: boolean, seconds: number): void;
}

export function createScriptedLearnerEvents(log: Logger, metrics: Metrics): ScriptedLearnerEvents {
  const steps = metrics.counter(
    'gradus_scripted_steps_total',
    'Steps of the scripted learner by what became of them: applied, or repeated from the record.',
    ['outcome'],
  );
  return {
    runOpened(runId, step, damaged) {
      for (const damage of damaged)
        log.error({ runId, step, damage }, 'a file is damaged; what is whole and older is used');
      log.info({ runId, step }, 'a run is open; nothing here is trained');
    },
    stepAnswered(step, applied, seconds) {
      steps.inc({ outcome: applied ? 'applied' : 'repeated' });
      log.info({ step, applied, seconds }, 'a step was answered');
    },
  };
}
