import type { Metrics } from '#platform/telemetry/metrics.ts';

export type TurnOutcome = 'ok' | 'aborted' | 'cancelled' | 'refused';

export interface ScriptedEngineEvents {
  turnEnded(outcome: TurnOutcome): void;
  loadChanged(running: number, waiting: number): void;
  promptUnknown(): void;
}

export function createScriptedEngineEvents(metrics: Metrics): ScriptedEngineEvents {
  const turns = metrics.counter('gradus_scripted_turns_total', 'Turns of the scripted policy, by outcome.', [
    'outcome',
  ]);
  const running = metrics.gauge('gradus_scripted_running_requests', 'Turns that the scripted policy works on.');
  const waiting = metrics.gauge('gradus_scripted_waiting_requests', 'Turns that wait for the scripted policy.');
  const unknown = metrics.counter(
    'gradus_scripted_unknown_prompts_total',
    'Turns whose prompt is none of the known questions.',
  );
  return {
    turnEnded: (outcome) => turns.inc({ outcome }),
    loadChanged(runningNow, waitingNow) {
      running.set(runningNow);
      waiting.set(waitingNow);
    },
    promptUnknown: () => unknown.inc(),
  };
}
