import { environmentNamed } from '#environments/registry.ts';
import type { EvalFormat } from './eval-formats.ts';

/** Formats whose rows name the pages that hold the facts. */
const withSupport: readonly EvalFormat[] = ['hotpotqa', '2wiki', 'musique'];
/** Formats whose own F1 counts yes and no as answers that are right or wrong as a whole. */
const yesOrNo: readonly EvalFormat[] = ['hotpotqa', '2wiki'];

/** What an evaluation of published rows records besides what its environment scores, at weight 0. */
export function recordedRewards(format: EvalFormat, environment: string): Readonly<Record<string, number>> {
  return {
    ...(yesOrNo.includes(format) && { hotpotqa_f1: 0 }),
    // What searches says which pages it has shown.
    ...(withSupport.includes(format) &&
      environmentNamed(environment).needs.includes('retrieval') && { gold_found: 0, gold_fetched: 0 }),
  };
}
