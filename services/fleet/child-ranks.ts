import { createServer } from 'node:net';
import { once } from 'node:events';
import { CancelledError, TransientError, errorFrom } from '#platform/errors.ts';
import { endsWithin, killedWithinMs, startChildService } from './child-service.ts';
import type { ChildOptions, ChildService, Exit } from './child-service.ts';

/** For the rank that serves to answer its callers with the number of the one that was lost. */
const lastWordsMs = 5_000;

/**
 * Starts the processes of one service, which find each other by the variables of torchrun. The first one serves. None goes
 * on without the others: when one ends, so do all, and `exited` says which it was. A process that is alone is started as it is.
 */
export async function startChildRanks(ranks: readonly ChildOptions[]): Promise<ChildService> {
  const [alone, ...others] = ranks;
  if (alone !== undefined && others.length === 0) return startChildService(alone);
  const port = `${await freePort()}`;
  const failed = new AbortController();
  const outcomes = await Promise.allSettled(
    ranks.map(async (options, rank) => {
      const env = {
        ...options.env,
        RANK: `${rank}`,
        LOCAL_RANK: `${rank}`,
        WORLD_SIZE: `${ranks.length}`,
        MASTER_ADDR: '127.0.0.1',
        MASTER_PORT: port,
      };
      try {
        return await startChildService({ ...options, env, signal: AbortSignal.any([options.signal, failed.signal]) });
      } catch (thrown) {
        // The others would wait for it.
        failed.abort(thrown);
        throw thrown;
      }
    }),
  );
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const [first] = started;
  if (first === undefined || started.length < ranks.length) {
    await Promise.all(started.map((each) => each.stop(0)));
    throw firstCause(outcomes);
  }
  const stopAll = async (graceMs: number): Promise<void> => {
    await Promise.all(started.map((each) => each.stop(graceMs)));
  };
  return {
    pid: first.pid,
    ready: first.ready,
    exited: firstEnd(started),
    stop: stopAll,
    kill: () => started.forEach((each) => each.kill()),
  };
}

/** Resolves with the exit of the rank that ended first, once all have ended. */
async function firstEnd(started: readonly ChildService[]): Promise<Exit> {
  const ends = started.map(async ({ exited }, rank): Promise<Exit> => ({ ...(await exited), of: `rank ${rank}` }));
  const first = await Promise.race(ends);
  const all = Promise.all(ends);
  if (!(await endsWithin(all, lastWordsMs))) {
    for (const each of started) each.kill();
    await endsWithin(all, killedWithinMs);
  }
  return first;
}

/** Of the one that failed by itself, not because the start of the others was given up. */
function firstCause(outcomes: readonly PromiseSettledResult<unknown>[]): Error {
  const causes = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [errorFrom(outcome.reason)] : []));
  return (
    causes.find((cause) => !(cause instanceof CancelledError)) ??
    causes[0] ??
    new TransientError('unavailable', 'no rank was started')
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new TransientError('unavailable', 'no port is free');
  return address.port;
}
