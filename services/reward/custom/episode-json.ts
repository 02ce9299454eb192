import type { ScoreItem, Turn } from '#proto/reward/v1/reward_pb.ts';
import { parseJsonAt } from '#platform/files/parse-json.ts';
import { rowFacts } from '#questions/row-facts.ts';
import { predictionOf } from '../score-item.ts';

/** A rollout as custom scorers see it: `Episode` of `define-scorer.ts`. */
export function episodeJson(item: ScoreItem): Record<string, unknown> {
  const { tokens, row } = item;
  const { data, gold, question, answers } = rowFacts(row);
  return {
    id: item.id,
    row: { id: row?.id ?? '', data, gold, tags: row?.tags ?? {} },
    question,
    answers,
    prediction: predictionOf(item.turns) ?? null,
    turns: item.turns.map(turnJson),
    tokens:
      tokens === undefined ? null : { prompt: tokens.prompt, model: tokens.model, environment: tokens.environment },
  };
}

function turnJson({ text, truncated, action, role }: Turn): Record<string, unknown> {
  const written = { text, truncated, ...(role !== '' && { role }) };
  switch (action.case) {
    case 'toolCall': {
      const { name, succeeded, error, argumentsJson, result, factsJson } = action.value;
      const call = { arguments: objectOf(argumentsJson), result, facts: objectOf(factsJson) };
      return { ...written, action: 'tool_call', tool: name, succeeded, error, ...call };
    }
    case 'answer':
      return { ...written, action: 'answer', answer: action.value.text };
    case 'violation':
      return { ...written, action: 'violation', violation: action.value.code };
    case undefined:
      return { ...written, action: 'none' };
  }
}

function objectOf(json: string): unknown {
  return json === '' ? {} : parseJsonAt(json, 'tool_call');
}

/** Everything that the policy wrote, a turn after the other. */
export function transcriptOf({ turns }: Pick<ScoreItem, 'turns'>): string {
  return turns.map(({ text }) => text).join('\n');
}
