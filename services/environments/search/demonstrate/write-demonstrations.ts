import { open, rename, rm } from 'node:fs/promises';
import { createCodec } from '../../kit/codec.ts';
import { openSearch } from '../index.ts';
import type { SearchSource } from '../search-tools.ts';
import { TerminalError, throwIfCancelled } from '#platform/errors.ts';
import { createRandom, type Random } from '../world/random.ts';
import { kindNames, type Mixture } from './mixture.ts';
import { guessesOf, type Plan } from './plan.ts';
import { runEpisode, type DemonstratedEpisode } from './run-episode.ts';
import { thoughtNames, type Thinker } from './thoughts.ts';

export interface DemonstrationJob {
  readonly plans: readonly Plan[];
  readonly mixture: Mixture;
  readonly source: SearchSource;
  readonly count: number;
  readonly seed: number;
  readonly out: string;
  /** Episodes at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (written: number) => void;
}

/**
 * Streams `count` demonstrations to `out` (JSONL), questions in a shuffled order, again from the first when there are
 * fewer. Same job, same bytes: each episode draws from a stream of its own, and lines are written in order. The file
 * appears under its name once it is complete.
 */
export async function writeDemonstrations(job: DemonstrationJob): Promise<void> {
  if (job.plans.length === 0)
    throw new TerminalError('invalid_argument', 'no question has all of its supporting paragraphs');
  const options = job.mixture.environment;
  const environment = openSearch(options, job.source);
  const codec = createCodec(options.codec);
  const random = createRandom(`demonstrate/${job.seed}`);
  const order = random.fork('order').shuffle(job.plans);
  const guesses = guessesOf(job.plans);
  const kinds = kindNames.map((kind) => [kind, job.mixture.kinds[kind]] as const);

  function episode(index: number): Promise<DemonstratedEpisode> {
    const own = random.fork(String(index));
    const plan = order[index % order.length];
    if (plan === undefined) throw new TerminalError('internal', `no plan for episode ${index}`);
    const who = {
      kind: own.weighted(kinds),
      plan,
      guess: own.pick(guesses(plan.answer)),
      mixture: job.mixture,
      codec,
      forgiven: options.max_violations,
      random: own,
    };
    return runEpisode(environment, who, thinkerOf(plan.question, own.fork('thoughts')), job.signal);
  }

  // A stream of its own, so that the same episodes are played with thoughts and without.
  function thinkerOf(question: string, own: Random): Thinker | undefined {
    const { thoughts } = job.mixture;
    if (thoughts === undefined) return undefined;
    const thought = own.weighted(thoughtNames.map((name) => [name, thoughts.kinds[name]] as const));
    return { thought, question, filterRate: thoughts.filter_rate, codec, random: own };
  }

  const partial = `${job.out}.partial`;
  const file = await open(partial, 'w');
  try {
    // A window of running episodes; the oldest is written first.
    const running: Promise<DemonstratedEpisode>[] = [];
    for (let started = 0, written = 0; written < job.count; written++) {
      for (; started < job.count && running.length < job.concurrency; started++) {
        const next = episode(started);
        // Awaited in its turn below; an early failure must not count as unhandled until then.
        next.catch(() => undefined);
        running.push(next);
      }
      throwIfCancelled(job.signal);
      const line = await running.shift();
      await file.appendFile(`${JSON.stringify(line)}\n`);
      job.onProgress?.(written + 1);
    }
    await file.close();
    await rename(partial, job.out);
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
}
