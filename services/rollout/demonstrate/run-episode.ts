import { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Environment } from '../environments/environment.ts';
import type { Kind } from './crowd.ts';
import { demonstrate, type Demonstrator } from './demonstrator.ts';

export interface DemonstratedSegment {
  readonly kind: 'prompt' | 'model' | 'environment';
  readonly text: string;
}

/** A line of the output. */
export interface DemonstratedEpisode {
  readonly hops: number;
  readonly kind: Kind;
  readonly segments: readonly DemonstratedSegment[];
}

const toolTimeoutMs = 30_000;

/** One demonstrator's way through the real environment. */
export async function runEpisode(
  environment: Environment,
  who: Demonstrator,
  signal: AbortSignal,
): Promise<DemonstratedEpisode> {
  const episode = environment.start({ question: who.plan.question });
  const segments: DemonstratedSegment[] = [{ kind: 'prompt', text: episode.prompt() }];
  const turns = demonstrate(who);
  let next = turns.next();
  while (next.done !== true) {
    const text = next.value;
    segments.push({ kind: 'model', text });
    const outcome = await episode.step({ text, finishReason: FinishReason.STOP }, { signal, toolTimeoutMs });
    if (outcome.kind === 'done') break;
    segments.push({ kind: 'environment', text: outcome.environmentText });
    next = turns.next(outcome.environmentText);
  }
  return { hops: who.plan.hops.length, kind: who.kind, segments };
}
