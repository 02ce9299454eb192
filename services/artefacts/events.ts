import type { Logger } from '#platform/telemetry/logging.ts';
import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';
import type { ArtefactKind } from './artefact.ts';
import type { Retained } from './retain.ts';

export interface Moved {
  readonly digest: string;
  readonly kind: ArtefactKind;
  /** That went over: what was there is not counted. */
  readonly movedBytes: number;
  /** Monotonic. */
  readonly startedMs: number;
}

/** The only place of the artefact service that counts and logs. */
export function createArtefactEvents(metrics: Metrics, log: Logger) {
  const bytes = metrics.counter('gradus_artefacts_moved_bytes_total', 'Bytes sent to the store and read from it.', [
    'direction',
  ]);
  const seconds = metrics.histogram(
    'gradus_artefacts_transfer_seconds',
    'Time to put an artefact into the store, or to fetch it.',
    durationBuckets,
    ['direction'],
  );
  const removed = metrics.counter('gradus_artefacts_removed_bytes_total', 'Bytes that the store gave back.');
  return {
    moved(direction: 'put' | 'fetch', { digest, kind, movedBytes, startedMs }: Moved): void {
      const ms = performance.now() - startedMs;
      bytes.inc({ direction }, movedBytes);
      seconds.observe({ direction }, ms / 1000);
      log.info({ direction, digest, kind, bytes: movedBytes, ms: Math.round(ms) }, 'an artefact is whole');
    },
    removed(runId: string, { removedArtefacts, removedBlobs, removedBytes }: Retained): void {
      removed.inc(removedBytes);
      if (removedArtefacts + removedBlobs > 0)
        log.info({ run: runId, removedArtefacts, removedBytes }, 'artefacts that the run no longer needs are removed');
    },
  };
}

export type ArtefactEvents = ReturnType<typeof createArtefactEvents>;
