import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { missingFor, type PartialScore } from '#rewards/missing-for.ts';

const outageRetryMs = 1_000;

interface ScoreWithDetails extends PartialScore {
  /** What lies behind the reasons, such as the sentence of a judge's endpoint. */
  readonly absentDetails?: Readonly<Record<string, string>>;
}

/**
 * Throws when the score lacks a component that the composition reads: a failure of the platform, never a reward of 0 (P2). An outage
 * is waited for as a busy peer is (`retryInPlace`): the tokens are there, and playing them again costs more.
 */
export function requireComponents(composition: Composition, score: ScoreWithDetails): void {
  const missing = missingFor(composition, score);
  if (missing.length === 0) return;
  const unknown = missing.filter(({ ask }) => ask === 'never');
  if (unknown.length > 0) {
    const names = unknown.map(({ name }) => name).join(', ');
    throw new TerminalError(
      'internal',
      `the composition reads ${names}, which the reward service neither gave nor called absent; are the task and the service of one version?`,
    );
  }
  const told = missing.map(({ name, reason }) => {
    const detail = score.absentDetails?.[name] ?? '';
    return `${name} (${detail === '' ? reason : `${reason}: ${detail}`})`;
  });
  const message = `no reward without ${told.join(', ')}`;
  throw missing.every(({ ask }) => ask === 'later')
    ? new TransientError('resource_exhausted', message, { retryAfterMs: outageRetryMs })
    : new TransientError('unavailable', message);
}
