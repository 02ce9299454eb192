import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { EpisodeFailure, ModelTurn, StepOutcome } from '#environments/kit/environment.ts';
import { TurnSchema, type Turn } from '#proto/reward/v1/reward_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';

/** A turn as the reward service wants it. */
export function turnOf(turn: ModelTurn, outcome: StepOutcome): Turn {
  const { visible = turn.text } = outcome;
  return create(TurnSchema, {
    text: visible,
    action: actionOf(outcome),
    truncated: turn.cutBy !== undefined,
    role: turn.role ?? '',
  });
}

type ActionInit = NonNullable<MessageInitShape<typeof TurnSchema>['action']>;

function actionOf(outcome: StepOutcome): ActionInit {
  const { action } = outcome;
  switch (action?.kind) {
    case 'tool_call': {
      return {
        case: 'toolCall',
        value: {
          name: action.name,
          succeeded: action.error === undefined,
          error: action.error ?? '',
          argumentsJson: JSON.stringify(action.arguments),
          result: action.result,
          factsJson: action.facts === undefined ? '' : JSON.stringify(action.facts),
        },
      };
    }
    case 'answer':
      return { case: 'answer', value: { text: action.text } };
    case 'violation':
      return { case: 'violation', value: { code: action.code, wasCall: action.wasCall } };
    case undefined:
      return outcome.kind === 'done' && outcome.prediction !== undefined
        ? { case: 'answer', value: { text: outcome.prediction } }
        : { case: undefined };
  }
}

export function failureClassOf(failure: EpisodeFailure | undefined): FailureClass {
  switch (failure) {
    case 'malformed_turn':
      return FailureClass.MALFORMED_TURN;
    case 'truncated_turn':
      return FailureClass.TRUNCATED_TURN;
    case 'context_overflow':
      return FailureClass.CONTEXT_OVERFLOW;
    case 'turn_limit':
      return FailureClass.TURN_LIMIT;
    case undefined:
      return FailureClass.UNSPECIFIED;
  }
}
