import type { ScoreItem, Turn } from '#proto/reward/v1/reward_pb.ts';
import { predictionOf } from '../score-item.ts';

/** How the two keys of more than one word are spelled. */
export interface Spelling {
  readonly pageTitles: string;
  readonly supportTitles: string;
}

export const camelCase: Spelling = { pageTitles: 'pageTitles', supportTitles: 'supportTitles' };
export const snakeCase: Spelling = { pageTitles: 'page_titles', supportTitles: 'support_titles' };

/** A rollout as custom scorers see it: `Episode` of `define-scorer.ts`. */
export function episodeJson(item: ScoreItem, spelling: Spelling): Record<string, unknown> {
  const { tokens } = item;
  return {
    id: item.id,
    question: item.question,
    answers: item.answers,
    prediction: predictionOf(item.turns) ?? null,
    turns: item.turns.map((turn) => turnJson(turn, spelling)),
    [spelling.supportTitles]: item.supportTitles,
    tokens:
      tokens === undefined ? null : { prompt: tokens.prompt, model: tokens.model, environment: tokens.environment },
  };
}

function turnJson({ text, truncated, action }: Turn, spelling: Spelling): Record<string, unknown> {
  const written = { text, truncated };
  switch (action.case) {
    case 'toolCall': {
      const { name, succeeded, error, pageTitles } = action.value;
      return { ...written, action: 'tool_call', tool: name, succeeded, error, [spelling.pageTitles]: pageTitles };
    }
    case 'answer':
      return { ...written, action: 'answer', answer: action.value.text };
    case 'violation':
      return { ...written, action: 'violation', violation: action.value.code };
    case undefined:
      return { ...written, action: 'none' };
  }
}

/** Everything that the policy wrote, a turn after the other. */
export function transcriptOf({ turns }: Pick<ScoreItem, 'turns'>): string {
  return turns.map(({ text }) => text).join('\n');
}
