import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Score, ScoreItemSchema, ScoreResponse } from '#proto/reward/v1/reward_pb.ts';
import type { CallOptions } from '#platform/grpc/client.ts';
import { TerminalError, cancelledFrom, errorFrom } from '#platform/errors.ts';

export type ScoreItem = MessageInitShape<typeof ScoreItemSchema>;

export interface ScoreBatcherOptions {
  /** Items that go in one call at most. Bound of the service: 1024. */
  readonly maxItems: number;
  /** How long the first item of a batch waits for company, in milliseconds. */
  readonly maxWaitMs: number;
}

export interface ScoreBatcher {
  /** The score of the item; each of its components is within 0..1. */
  score(item: ScoreItem, signal: AbortSignal): Promise<Score>;
  /**
   * The same in a call of its own: for an item that others should not wait for. The call ends with `signal`, or after `timeoutMs`
   * (milliseconds from now).
   */
  scoreAlone(item: ScoreItem, options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<Score>;
}

interface Pending {
  readonly item: ScoreItem;
  readonly resolve: (score: Score) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Rollouts that end within a few milliseconds share one Score call, which has the client's own deadline. A batch that is refused
 * is asked again one by one.
 */
export function createScoreBatcher(
  score: (items: ScoreItem[], options?: CallOptions) => Promise<ScoreResponse>,
  options: ScoreBatcherOptions,
): ScoreBatcher {
  let pending: Pending[] = [];
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const batch = pending;
    pending = [];
    if (batch.length > 0) void send(batch);
  }

  async function send(batch: readonly Pending[]): Promise<void> {
    try {
      const { scores } = await score(batch.map(({ item }) => item));
      for (const [index, { item, resolve, reject }] of batch.entries()) {
        const outcome = checkScore(scores[index], item);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      }
    } catch (thrown) {
      const error = errorFrom(thrown);
      // One bad item refuses its whole batch; the others are not to suffer for it.
      if (error instanceof TerminalError && error.code === 'invalid_argument' && batch.length > 1) {
        await Promise.all(batch.map((one) => send([one])));
      } else {
        for (const { reject } of batch) reject(error);
      }
    }
  }

  return {
    score(item, signal) {
      return new Promise<Score>((resolve, reject) => {
        const onAbort = (): void => reject(cancelledFrom(signal.reason));
        if (signal.aborted) {
          onAbort();
          return;
        }
        signal.addEventListener('abort', onAbort, { once: true });
        const settled = (): void => signal.removeEventListener('abort', onAbort);
        pending.push({
          item,
          resolve: (value) => (settled(), resolve(value)),
          reject: (error) => (settled(), reject(error)),
        });
        if (pending.length >= options.maxItems) flush();
        else timer ??= setTimeout(flush, options.maxWaitMs);
      });
    },
    async scoreAlone(item, call) {
      const { scores } = await score([item], call);
      const outcome = checkScore(scores[0], item);
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  };
}

function checkScore(given: Score | undefined, item: ScoreItem): Score | Error {
  if (given === undefined || given.id !== item.id) return unusable(given, item);
  const bad = Object.entries(given.components).find(([, value]) => !(value >= 0 && value <= 1));
  return bad === undefined ? given : unusable(given, item, `with ${bad[0]} ${bad[1]}`);
}

function unusable(score: Score | undefined, item: ScoreItem, what = ''): TerminalError {
  const given = score === undefined ? 'nothing' : `id '${score.id}' ${what}`.trimEnd();
  return new TerminalError('internal', `the reward service answered ${given} for item ${String(item.id)}`);
}
