import { createRandom } from '#platform/random.ts';
import { type Candidate, chooseEngine } from '../../services/policy/engines/choose-engine.ts';

type Choose = typeof chooseEngine;

/** Ways to choose an engine, each made anew for a round. Only the first is the gateway's. */
export const ways: Readonly<Record<string, (seed: string) => Choose>> = {
  least_loaded_sticky: () => chooseEngine,
  least_loaded: () => (candidates) => chooseEngine(candidates, undefined),
  round_robin() {
    let turns = 0;
    return (candidates) => at(candidates, () => (turns += 1));
  },
  random(seed) {
    const random = createRandom(seed);
    return (candidates) => at(candidates, random);
  },
};

function at(candidates: Iterable<Candidate>, pick: (count: number) => number): string | undefined {
  const all = [...candidates];
  return all.length === 0 ? undefined : all[pick(all.length) % all.length]?.address;
}
