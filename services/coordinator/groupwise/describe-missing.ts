import type { MissingScores } from './group-scores.ts';

/** Why `groups` groups have no scores, the last one as the example, and what to do about it. */
export function describeMissing({ scorer, judge, reason, detail }: MissingScores, groups: number): string {
  const of = groups === 1 ? '1 group' : `${groups} groups`;
  return `${of} got no scores of ${scorer} from judge ${judge}: ${reason} (last: ${detail}); ${fixOf(reason, judge)}`;
}

function fixOf(reason: string, judge: string): string {
  switch (reason) {
    case 'deadline':
      return `raise deadline_ms of the scorer, group_timeout_ms of judges.${judge} or deadlines.step_ms, or ask for fewer pairs`;
    case 'deadline_exceeded':
    case 'rate_limited':
    case 'resource_exhausted':
      return `lower concurrency or raise the timeouts and queue of judges.${judge}, or ask for fewer pairs`;
    case 'not_compared':
      return 'raise pairs or rounds of the scorer';
    case 'refused':
      return `see the model and key of judges.${judge}: its endpoint refuses the questions`;
    case 'unparsable':
      return `judge ${judge} does not answer in the form that it is asked for: choose another model, or set partial: aggregate`;
    default:
      return `see that the reward service runs and that judge ${judge} answers at its base_url`;
  }
}
