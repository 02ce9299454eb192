import { TerminalError } from '#platform/errors.ts';
import type { Environment } from '../../kit/environment.ts';
import type { Kind } from './mixture.ts';
import { demonstrate, type Demonstrator } from './demonstrator.ts';
import { thoughtOpening, withThoughts, type Thinker } from './thoughts.ts';

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

/** One demonstrator's way through the real environment; `thinker` says what it thinks, and what stands in front of each turn for it. */
export async function runEpisode(
  environment: Environment<{ readonly question: string }>,
  who: Demonstrator,
  thinker: Thinker | undefined,
  signal: AbortSignal,
): Promise<DemonstratedEpisode> {
  const row = { id: who.plan.question, data: { question: who.plan.question }, tags: {} };
  const episode = await environment.start(row, { signal, seed: 0n, toolTimeoutMs });
  const opening = thinker === undefined ? '' : thoughtOpening(thinker.thought);
  const segments: DemonstratedSegment[] = [{ kind: 'prompt', text: textOf(episode.prompt()) + opening }];
  const turns = thinker === undefined ? demonstrate(who) : withThoughts(demonstrate(who), thinker);
  let next = turns.next();
  for (let index = 0; next.done !== true; index += 1) {
    const text = next.value;
    segments.push({ kind: 'model', text });
    const outcome = await episode.step({ index, text }, { signal, toolTimeoutMs });
    if (outcome.kind === 'done') break;
    const said = textOf('text' in outcome ? outcome.text : undefined);
    segments.push({ kind: 'environment', text: said + opening });
    next = turns.next(said);
  }
  return { hops: who.plan.hops.length, kind: who.kind, segments };
}

function textOf(said: unknown): string {
  if (typeof said === 'string') return said;
  throw new TerminalError('invalid_argument', 'chat: demonstrations are text; leave it out, or set chat: false');
}
