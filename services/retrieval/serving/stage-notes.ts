import { trace } from '@opentelemetry/api';
import type { StageSeconds } from './shared-searches.ts';

/**
 * Adds an event for each query that comes back to the span of the call that runs now: how long each stage took.
 * Undefined where nobody records the call.
 */
export function stageNotes(): ((seconds: StageSeconds) => void) | undefined {
  const span = trace.getActiveSpan();
  if (span === undefined || !span.isRecording()) return undefined;
  return (seconds) =>
    span.addEvent(
      'gradus.retrieval.query',
      Object.fromEntries(Object.entries(seconds).map(([stage, value]) => [`gradus.retrieval.${stage}_seconds`, value])),
    );
}
