import { percentilesOf } from '../retrieval/load/tally.ts';
import type { Played } from './play-sessions.ts';

/** Rounds of one way as one; the rates of each round, too, since the machine is not the same in all of them. */
export function summarise(
  played: readonly { readonly name: string; readonly result: Played; readonly cpuSeconds: number }[],
) {
  return Object.entries(Object.groupBy(played, ({ name }) => name)).map(([name, rounds = []]) => {
    const results = rounds.map(({ result }) => result);
    const sum = (of: (result: Played) => number): number => results.reduce((total, each) => total + of(each), 0);
    const perSecond = (result: Played): number => Math.round((result.generatedTokens / result.wallMs) * 10_000) / 10;
    return {
      name,
      prefixHitRate: Math.round((sum((each) => each.cachedTokens) / sum((each) => each.promptTokens)) * 1000) / 1000,
      tokensPerSecond: results.map(perSecond),
      // Of the engines: it hardly depends on what else the machine does.
      cpuMsPerGeneratedToken: rounds.map(
        ({ cpuSeconds, result }) => Math.round((cpuSeconds / result.generatedTokens) * 100_000) / 100,
      ),
      turns: sum((each) => each.latenciesMs.length),
      latency: percentilesOf(results.flatMap(({ latenciesMs }) => latenciesMs)),
    };
  });
}
